#!/bin/bash
# Amazon SageMaker notebook instance, lifecycle configuration, OnStart: runs at every start, as root.
# It brings back the Jupyter kernel, whose folder is not on the disk that outlives a stop, and stops the instance after
# IDLE_MINUTES without a busy kernel, an open terminal, a training and a program on a GPU.
# The instance's role needs sagemaker:StopNotebookInstance on the instance itself.
set -euo pipefail

IDLE_MINUTES=@IDLE_MINUTES@
PROJECT=/home/ec2-user/SageMaker/ocr-train
CHECK=/usr/local/bin/ocr-train-stop-when-idle

if [ -x "$PROJECT/.venv/bin/python" ]; then
  sudo -u ec2-user -i "$PROJECT/.venv/bin/python" -m ipykernel install --user --name ocr-train \
    --display-name ocr-train || echo "the kernel ocr-train could not be installed"
fi

cat >"$CHECK" <<'CHECK_SCRIPT'
#!/bin/bash
# Stops this notebook instance when it has done nothing for the given number of minutes.
set -euo pipefail

IDLE_MINUTES=$1
STAMP=/run/ocr-train-busy

busy() {
  # A training, also one whose terminal was closed.
  if pgrep -f 'ocr_train (train|server)|tools/train\.py' >/dev/null; then
    return 0
  fi
  if command -v nvidia-smi >/dev/null &&
    [ -n "$(nvidia-smi --query-compute-apps=pid --format=csv,noheader 2>/dev/null)" ]; then
    return 0
  fi
  # Where Jupyter does not answer, nobody knows: then it counts as busy.
  local sessions
  sessions=$(curl --silent --fail --insecure --max-time 20 https://localhost:8443/api/kernels) || return 0
  if grep -q '"execution_state": *"busy"' <<<"$sessions"; then
    return 0
  fi
  sessions=$(curl --silent --fail --insecure --max-time 20 https://localhost:8443/api/terminals) || return 0
  [ "$sessions" != "[]" ]
}

if [ ! -e "$STAMP" ] || busy; then
  touch "$STAMP"
  exit 0
fi
idle=$(($(date +%s) - $(stat --format=%Y "$STAMP")))
if [ "$idle" -lt $((IDLE_MINUTES * 60)) ]; then
  exit 0
fi
name=$(sed -n 's/.*"ResourceName": *"\([^"]*\)".*/\1/p' /opt/ml/metadata/resource-metadata.json)
region=$(sed -n 's/.*"ResourceArn": *"arn:[^:]*:sagemaker:\([^:]*\):.*/\1/p' /opt/ml/metadata/resource-metadata.json)
logger --tag ocr-train "idle for $idle s: stopping the notebook instance $name"
aws sagemaker stop-notebook-instance --notebook-instance-name "$name" --region "$region"
CHECK_SCRIPT
chmod 755 "$CHECK"

rm -f /run/ocr-train-busy
echo "*/5 * * * * root $CHECK $IDLE_MINUTES" >/etc/cron.d/ocr-train-stop-when-idle
chmod 644 /etc/cron.d/ocr-train-stop-when-idle
