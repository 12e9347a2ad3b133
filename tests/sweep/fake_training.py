"""A stand-in for `train` that a sweep starts: it speaks over the line as a training does, and learns as it is told.

Its first argument is JSON: `scores` by epoch, `then` how it ends (finish, hold, oom, config, kill), `pause_s` a step.
Standard library only, so that a trial takes a tenth of a second.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path


def main() -> int:
    """Train, as far as it is let."""
    plan = json.loads(sys.argv[1])
    told = json.loads(os.environ["OCR_TRAIN_SUPERVISOR"])
    link = socket.socket(fileno=told["fd"])
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _frame: stopped.append(got))

    def send(message: object) -> None:
        link.sendall(json.dumps(message).encode() + b"\n")

    def wait(seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if stopped:
                return "interrupted" if stopped[0] == signal.SIGINT else "terminated"
            if select.select([link], [], [], max(0.0, min(left, 0.02)))[0]:
                received = link.recv(65536)
                if received:
                    return str(json.loads(received.splitlines()[0])["stop"]["reason"])
            if left <= 0:
                return ""

    def end(code: int, status: str, reason: str) -> int:
        send({"ended": {"status": status, "reason": reason}})
        return code

    if plan.get("then") == "config":
        Path(os.environ["OCR_TRAIN_FAILURE_FILE"]).write_text("the model is unknown.\nname another")
        return 2
    send({"run": {"run_id": plan["run_id"], "epochs": len(plan["scores"])}})
    send({"evaluation": {"epoch": 0, "step": 0, "metrics": {"acc": 0.99}}})
    with Path(plan["log"]).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"pid": os.getpid(), "tags": told["tags"], "name": told["name"]}) + "\n")
    for epoch, score in enumerate(plan["scores"], start=1):
        if epoch <= plan.get("resumed", 0):
            continue
        send({"evaluation": {"epoch": epoch, "step": 4 * epoch, "metrics": {"acc": score, "fps": 9.0}}})
        if reason := wait(plan.get("pause_s", 0.02)):
            return end({"interrupted": 130, "terminated": 143}.get(reason, 7), "KILLED", reason)
    then = plan.get("then", "finish")
    if then == "hold":
        reason = wait(60.0)
        return end({"interrupted": 130, "terminated": 143}.get(reason, 7), "KILLED", reason)
    if then == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if then == "oom":
        Path(os.environ["OCR_TRAIN_FAILURE_FILE"]).write_text("The GPU ran out of memory.")
        return end(6, "FAILED", "cuda_oom")
    return end(0, "FINISHED", "")


sys.exit(main())
