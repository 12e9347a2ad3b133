#!/bin/bash
# Amazon SageMaker notebook instance, lifecycle configuration, OnCreate: runs once, as root, when the instance is made.
# It makes the environment of ocr-train on the disk that outlives a stop (/home/ec2-user/SageMaker), in the background,
# because a lifecycle script may take five minutes at most. Its log: /home/ec2-user/SageMaker/ocr-train-setup.log
set -euo pipefail

# Where the project comes from: a git address that the instance can reach.
REPOSITORY="@REPOSITORY@"
HOME_FOLDER=/home/ec2-user/SageMaker
PROJECT="$HOME_FOLDER/ocr-train"
LOG="$HOME_FOLDER/ocr-train-setup.log"

setup=$(cat <<'SETUP'
set -euo pipefail
if [ ! -d "$PROJECT" ]; then
  git clone --depth 1 "$REPOSITORY" "$PROJECT"
fi
cd "$PROJECT"
make setup
if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null; then
  make gpu
fi
make kernel
echo "ocr-train is ready: open paddle_ocr_training.ipynb with the kernel ocr-train"
SETUP
)

export PROJECT REPOSITORY
nohup sudo -u ec2-user -i env PROJECT="$PROJECT" REPOSITORY="$REPOSITORY" bash -c "$setup" >"$LOG" 2>&1 </dev/null &
