"""An Indexed Job with its headless service: values in, Kubernetes objects out.

Each pod of the Job has the name `<job>-<index>.<service>`, which its DNS answers with the pod's IP address: that is
where the machines of `nodes` find each other. The pod's index, JOB_COMPLETION_INDEX, is its node_rank. Source:
kubernetes.io, "Job with Pod-to-Pod Communication" and "Indexed Job".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ocr_train.cluster.failure_file import VARIABLE
from ocr_train.cluster.kubernetes.values import DATA_FOLDER, OUTPUT_FOLDER, KubernetesJob
from ocr_train.errors import ConfigError, DataError

TERMINATION_LOG = "/dev/termination-log"
GRACE_S = 120
"""From SIGTERM to SIGKILL: time to end the trainer and to store its last checkpoint."""
NEVER_AGAIN = (ConfigError.exit_code, DataError.exit_code)
"""Exit codes of what another try would find as it is."""
LABEL = "app.kubernetes.io"
DRIVER = "ocr-train"
INDEX = "JOB_COMPLETION_INDEX"
"""The variable that Kubernetes gives each pod of an Indexed Job."""


def render_job(job: KubernetesJob) -> str:
    """The YAML of the objects, to be piped into `kubectl apply -f -`."""
    documents = [json.loads(json.dumps(document)) for document in objects(job)]
    return "".join(f"---\n{yaml.safe_dump(one, sort_keys=False, allow_unicode=True)}" for one in documents)


def objects(job: KubernetesJob) -> Sequence[Mapping[str, Any]]:
    """The headless service, where several pods train together, and the Job."""
    return [*([_service(job)] if job.nodes > 1 else []), _job(job)]


def _metadata(job: KubernetesJob) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": job.name}
    if job.namespace:
        metadata["namespace"] = job.namespace
    metadata["labels"] = {f"{LABEL}/name": DRIVER, f"{LABEL}/instance": job.name}
    return metadata


def _service(job: KubernetesJob) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(job),
        "spec": {
            "clusterIP": "None",
            # The pods look for each other before any of them is ready.
            "publishNotReadyAddresses": True,
            "selector": {f"{LABEL}/instance": job.name},
        },
    }


def _job(job: KubernetesJob) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(job),
        "spec": {
            "completionMode": "Indexed",
            "completions": job.nodes,
            "parallelism": job.nodes,
            "backoffLimit": job.retries * job.nodes,
            # The pod that leads has the run, its checkpoints and its model: with it the training is finished. A pod that
            # were started again after that would wait for it in vain.
            **({"successPolicy": {"rules": [{"succeededIndexes": "0"}]}} if job.nodes > 1 else {}),
            "podFailurePolicy": {
                "rules": [
                    # A node that is drained or a spot node that is taken away is no failure of the training.
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": "train",
                            "operator": "In",
                            "values": sorted(NEVER_AGAIN),
                        },
                    },
                ]
            },
            "template": {
                "metadata": {"labels": dict(_metadata(job)["labels"])},
                "spec": _pod(job),
            },
        },
    }


def _pod(job: KubernetesJob) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_S,
    }
    if job.nodes > 1:
        pod["subdomain"] = job.name
    if job.service_account:
        pod["serviceAccountName"] = job.service_account
    if job.node_selector:
        pod["nodeSelector"] = dict(job.node_selector)
    if job.gpus:
        pod["tolerations"] = [{"key": job.gpu_resource, "operator": "Exists", "effect": "NoSchedule"}]
    pod["containers"] = [_container(job)]
    pod["volumes"] = [
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{round(job.shm_gb * 1024)}Mi"}},
        {"name": "output", "emptyDir": {"sizeLimit": job.disk}}
        if not job.pvc
        else {"name": "data", "persistentVolumeClaim": {"claimName": job.pvc}},
    ]
    return pod


def _container(job: KubernetesJob) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "train",
        "image": job.image,
        "command": ["python", "-m", "ocr_train", "train"],
        "args": _arguments(job),
        "env": _environment(job),
    }
    if job.secrets:
        container["envFrom"] = [{"secretRef": {"name": name}} for name in job.secrets]
    sizes = {"cpu": job.cpu, "memory": job.memory}
    gpus = {job.gpu_resource: str(job.gpus)} if job.gpus else {}
    container["resources"] = {"requests": {**sizes, **gpus}, "limits": {"memory": job.memory, **gpus}}
    container["terminationMessagePath"] = TERMINATION_LOG
    container["terminationMessagePolicy"] = "FallbackToLogsOnError"
    container["volumeMounts"] = [
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - a path inside the pod
        {"name": "data", "mountPath": str(DATA_FOLDER)}
        if job.pvc
        else {"name": "output", "mountPath": str(OUTPUT_FOLDER)},
    ]
    return container


def _arguments(job: KubernetesJob) -> list[str]:
    """The parameters of `train`; `$(NAME)` is what Kubernetes puts the variable's value in place of."""
    words = job.launch.arguments(_literal)
    # One run, whatever happens to its pods.
    if job.launch.resume == "auto":
        words.append("--resume-mode=same")
    if job.gpus:
        # By number: where a pod sees no GPU it fails, and does not train on the CPU.
        words.append(f"--gpus={','.join(map(str, range(job.gpus)))}")
    elif not job.launch.cpus:
        words.append("--gpus=cpu")
    if job.nodes > 1:
        words += [f"--nodes={','.join(host_names(job))}", f"--node-rank=$({INDEX})"]
    return words


def _literal(text: str) -> str:
    """Text in which Kubernetes is to put nothing in place of `$(...)`."""
    return text.replace("$(", "$$(")


def host_names(job: KubernetesJob) -> Sequence[str]:
    """The names by which the pods find each other, the leader first."""
    return [f"{job.name}-{index}.{job.name}" for index in range(job.nodes)]


def _environment(job: KubernetesJob) -> list[dict[str, Any]]:
    output = f"{DATA_FOLDER}/{DRIVER}/{job.name}" if job.pvc else str(OUTPUT_FOLDER)
    variables: list[dict[str, Any]] = []
    if job.nodes > 1:
        path = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
        # First: those below may name it.
        variables.append({"name": INDEX, "valueFrom": {"fieldRef": {"fieldPath": path}}})
        # Pods that share a claim do not write into each other's folders.
        output += f"/$({INDEX})"
    own = {"OCR_TRAIN_OUTPUT": output, VARIABLE: TERMINATION_LOG}
    variables += [{"name": name, "value": value} for name, value in own.items() if name not in job.env]
    return [*variables, *({"name": name, "value": _literal(text)} for name, text in job.env.items())]
