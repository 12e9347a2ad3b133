# `make run` and `make test` do all their own set-up: Python 3.10 to 3.12, make and a package index are enough.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.10 python3 python,$(shell command -v $(name) >/dev/null 2>&1 && $(name) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $(name))))
BIN := $(VENV)/bin
INSTALL := $(PYTHON) -m ocr_train.cli.install_script $(BIN)/python
# `mlflow run` looks up `python` on PATH.
IN_VENV := PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)"

MODEL ?= det
# The parameters of MLproject's `main`, each a variable of the same name in capitals: EPOCHS=5 DATA='my data'.
PARAMETERS := $(shell sed -n '/^  main:/,/^    command:/s/^      \([a-z_]*\): {.*/\1/p' MLproject | tr a-z A-Z)
lower = $(shell echo '$1' | tr A-Z a-z)
# Values reach the shell as variables, so that no quote in them can break the command.
export $(PARAMETERS)
PORT ?= 5000
# Tests run in so many processes at once.
WORKERS ?= 2
# How many times their number of cases the fuzz tests try.
FUZZ ?= 1

.PHONY: help setup run test fuzz check lint format ui notebook kernel server bench faults gpu parameters lock clean

help: ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 20

$(VENV)/.ready: requirements.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.10, 3.11 or 3.12 found. Install one, or say which: make PYTHON=/path/to/python3.11"; exit 5; }
	@echo "making $(VENV) with $$($(PYTHON) --version): once, about 2.5 GB ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) requirements.txt
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.txt
	@echo "what tests and checks need, too ..."
	@$(INSTALL) requirements-dev.txt
	@touch $@

$(VENV)/.ready-notebook: $(VENV)/.ready requirements-notebook.txt
	@echo "what opens the notebook, too ..."
	@$(INSTALL) requirements-notebook.txt
	@touch $@

setup: $(VENV)/.ready ## make the environment (the others do it by themselves)

run: $(VENV)/.ready ## train: make run MODEL=rec EPOCHS=5 DATA=s3://bucket/prefix
# `mlflow run` makes the run before we start, so the experiment has to be named here, unless it is named already.
	@task=$$(sed -n -e 's/^task: *\([a-z]*\).*/\1/p' -e 's/^  model_type: *\([a-z]*\).*/\1/p' "experiments/$$MODEL.yaml" "$$MODEL" 2>/dev/null | head -n 1); \
	test -z "$$MLFLOW_EXPERIMENT_ID$$MLFLOW_EXPERIMENT_NAME" || task=; \
	$(IN_VENV) mlflow run . --env-manager local $${task:+--experiment-name "paddleocr-$$task"} $(foreach name,$(PARAMETERS),$(if $(value $(name)),-P $(call lower,$(name))="$$$(name)"))

ui: $(VENV)/.ready ## the MLflow page on what `make run` logged
	@echo "MLflow: http://127.0.0.1:$(PORT)/#/experiments?workflowType=machine_learning   (Ctrl-C ends it)"
	@$(IN_VENV) mlflow ui --host 127.0.0.1 --port $(PORT) --workers 1 $(if $(MLFLOW_TRACKING_URI),,--backend-store-uri sqlite:///mlflow.db)

notebook: $(VENV)/.ready-notebook ## open paddle_ocr_training.ipynb in JupyterLab
	@$(IN_VENV) jupyter lab paddle_ocr_training.ipynb

# PYTHONPATH: notebooks in other folders find the project, too.
kernel: $(VENV)/.ready-notebook ## let a Jupyter that is there already (VS Code, SageMaker) run the notebook: the kernel ocr-train
	@$(BIN)/python -m ipykernel install --user --name ocr-train --display-name ocr-train --env PYTHONPATH "$(CURDIR)"

server: $(VENV)/.ready ## an S3 server and an MLflow server on this machine
	@$(BIN)/python -m ocr_train server --dir server

test: $(VENV)/.ready-dev ## every test, the slow ones too
	@$(IN_VENV) python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST)

fuzz: $(VENV)/.ready-dev ## only the tests of mutated pickles, labels and options: make fuzz FUZZ=20 tries 10,000 pickles
	@$(IN_VENV) FUZZ=$(FUZZ) python -m pytest -n $(WORKERS) --dist loadgroup -k "fuzz or mutated" $(PYTEST)

lint: $(VENV)/.ready-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

check: lint test ## what CI runs: ruff, mypy --strict, tests

format: $(VENV)/.ready-dev ## mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

$(VENV)/.ready-bench: $(VENV)/.ready benchmarks/requirements.txt
	@echo "installing what the benchmarks compare with ..."
	@$(PYTHON) -m venv $(VENV)/bench
	@$(VENV)/bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/requirements.txt
	@touch $@

bench: $(VENV)/.ready-bench ## measure everything, up to an hour: BENCH=--quick for a first look, BENCH=fetch for one
	@env -u PYTHONDONTWRITEBYTECODE PATH="$(CURDIR)/$(BIN):$(CURDIR)/$(VENV)/bench/bin:$$PATH" python -m benchmarks $(BENCH)

faults: $(VENV)/.ready ## break what runs rely on, and count what is lost: FAULTS=--quick for a first look
	@$(IN_VENV) python -m benchmarks.faults $(FAULTS)

gpu: $(VENV)/.ready ## put paddlepaddle-gpu in place of paddlepaddle (PIP_INDEX_URL: Paddle's own index for 3.x)
	@$(BIN)/python -m pip uninstall --quiet -y paddlepaddle
	@$(BIN)/python -m pip install "paddlepaddle-gpu$(PADDLE_GPU)" "numpy<2"

parameters: $(VENV)/.ready ## write the table of parameters into MLproject and the configuration guides
	@$(BIN)/python -m docs.parameters

lock: $(VENV)/.ready-dev ## resolve all requirements*.in anew
	@for name in requirements requirements-dev requirements-notebook benchmarks/requirements; do \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --python-version 3.10 --custom-compile-command "make lock" $$name.in -o $$name.txt || exit; done

clean: ## remove the environment and caches; runs and data stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
