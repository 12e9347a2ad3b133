#!/bin/bash
# Amazon SageMaker notebook instance, lifecycle configuration, OnStart: runs at every start, as root.
# It brings back the Jupyter kernel, whose folder is not on the disk that outlives a stop, and stops the instance after
# IDLE_MINUTES without a busy kernel, use of a kernel or terminal, a training or a program on a GPU.
# The instance's role needs sagemaker:StopNotebookInstance on the instance itself.
set -euo pipefail

IDLE_MINUTES=@IDLE_MINUTES@
PROJECT=/home/ec2-user/SageMaker/ocr-train
CHECK=/usr/local/bin/ocr-train-stop-when-idle

if [ -x "$PROJECT/.venv/bin/python" ]; then
  sudo -u ec2-user -i "$PROJECT/.venv/bin/python" -m ipykernel install --user --name ocr-train \
    --display-name ocr-train --env PYTHONPATH "$PROJECT" || echo "the kernel ocr-train could not be installed"
fi

cat >"$CHECK" <<'CHECK_SCRIPT'
#!/bin/bash
# Stops this notebook instance when it has done nothing for the given number of minutes.
set -euo pipefail

IDLE_MINUTES=$1
STAMP=${OCR_TRAIN_STAMP:-/run/ocr-train-busy}
METADATA=${OCR_TRAIN_METADATA:-/opt/ml/metadata/resource-metadata.json}
JUPYTER=https://localhost:8443/api
IDLE=10

ask() {
  curl --silent --fail --insecure --max-time 20 "$JUPYTER/$1"
}

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
  local kernels terminals result=0
  kernels=$(ask kernels) || return 0
  terminals=$(ask terminals) || terminals='[]'
  python3 - "$kernels" "$terminals" "$IDLE" <<'PYTHON' || result=$?
import datetime, json, sys

now = datetime.datetime.now(datetime.timezone.utc)
for one in json.loads(sys.argv[1]) + json.loads(sys.argv[2]):
    seen = datetime.datetime.fromisoformat(one["last_activity"].replace("Z", "+00:00"))
    if one.get("execution_state") == "busy" or (now - seen).total_seconds() < 300:
        sys.exit(0)
sys.exit(int(sys.argv[3]))
PYTHON
  [ "$result" -ne "$IDLE" ]
}

if [ ! -e "$STAMP" ] || busy; then
  touch "$STAMP"
  exit 0
fi
idle=$(($(date +%s) - $(stat --format=%Y "$STAMP")))
if [ "$idle" -lt $((IDLE_MINUTES * 60)) ]; then
  exit 0
fi
name=$(sed -n 's/.*"ResourceName": *"\([^"]*\)".*/\1/p' "$METADATA")
region=$(sed -n 's/.*"ResourceArn": *"arn:[^:]*:sagemaker:\([^:]*\):.*/\1/p' "$METADATA")
logger --tag ocr-train "idle for $idle s: stopping the notebook instance $name"
aws sagemaker stop-notebook-instance --notebook-instance-name "$name" --region "$region"
CHECK_SCRIPT
chmod 755 "$CHECK"

rm -f /run/ocr-train-busy
echo "*/5 * * * * root $CHECK $IDLE_MINUTES" >/etc/cron.d/ocr-train-stop-when-idle
chmod 644 /etc/cron.d/ocr-train-stop-when-idle
