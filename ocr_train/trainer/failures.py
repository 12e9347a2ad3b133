"""Why a trainer failed, recognised in what it printed.

Exit codes do not tell: PaddleOCR ends with 0 when it found no images, and hangs for ever when its reader
thread died. Its output does tell. The texts are those of PaddleOCR 2.10 and PaddlePaddle 2.0 to 3.x, and of
public PaddleOCR issues (numbers at the signatures).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

REASONS = (
    # what the trainer's log gives away
    *("no_images", "cuda_oom", "host_oom", "shared_memory", "disk_full", "port_in_use", "nccl"),
    *("missing_weights", "recursion", "reader_thread", "python_traceback"),
    # how the trainer ended, where its log is silent
    *("trainer_killed", "trainer_error", "no_training"),
    # why the watchdog ended it
    *("nan_loss", "amp_scale", "stall", "endless_evaluation", "stopped"),
    # what a sweep that it belongs to had decided
    *("pruned", "budget"),
    # who else ended it
    *("interrupted", "terminated", "hangup", "tracker_lost"),
    # where several machines train together
    "node_lost",
    # what went wrong on our side
    *("config_error", "data_error", "storage_error", "setup_error", "tracking_error"),
    *("callback_failed", "checkpoint_lost", "internal_error"),
)
"""Every value that the tag `failure_reason` can have; docs/troubleshooting.md says what each means."""

PRUNED, BUDGET = "pruned", "budget"
"""Ended on purpose, by the sweep that started it: no failure, and its checkpoints are as good as any."""
ENOUGH = EARLY_STOP, HOURS_SPENT, MONEY_SPENT = ("early_stop", "max_hours", "max_usd")
"""Ended on purpose, by limits of its own: such a run is FINISHED, and its tag `stop_reason` says why."""
TRACKER_LOST = "tracker_lost"
TRACKER_LOST_EXPLANATION = (
    "the process that tracked this run ended without a message: it was killed (SIGKILL, out of memory, a spot "
    "instance taken away), or its machine lost power or the network. The trainer was ended with it. "
    "Checkpoints stored before are whole: resume from them. What was not delivered is in the run's folder on that "
    "machine, if it is still there: `python -m ocr_train sync` brings it."
)
NEVER_BEGAN_EXPLANATION = (
    "`mlflow run` made this run and was ended before the training itself began: while it made the environment, most "
    "often. Nothing was trained: start it again."
)
"""Not from a log: what `runs --reap` and `sync` say of a run whose process had no time to say anything."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failure with a name: `explanation` is what happened, `hint` what to do about it.

    `fatal`: the trainer cannot be expected to go on, even when its process does not end. A failure that is
    not fatal explains an exit; on its own it is no reason to stop a process that continues.
    """

    reason: str
    explanation: str
    hint: str
    fatal: bool


NO_IMAGES = Failure(
    reason="no_images",
    explanation="The trainer found no training images, or fewer than one batch, and ended without "
    "training (its exit code says success all the same).",
    hint="Check that the label file names images that exist under the data folder, with a tab "
    "between image and label, and that there are at least batch_size of them; `validate` "
    "lists every problem with its line.",
    fatal=True,
)
CUDA_OOM = Failure(
    reason="cuda_oom",
    explanation="The GPU ran out of memory: one batch of this model at this image size does not fit into "
    "what is free on it.",
    hint="Lower batch_size (or the image size in the configuration), see with nvidia-smi whether "
    "another process holds memory, or choose another GPU with `gpus`.",
    fatal=True,
)
HOST_OOM = Failure(
    reason="host_oom",
    explanation="The machine ran out of main memory. The system killed a process that loads data, or "
    "refused memory to the trainer.",
    hint="Lower num_workers and batch_size, end other programs, or take a machine (or a container "
    "limit) with more memory.",
    fatal=True,
)
SHARED_MEMORY = Failure(
    reason="shared_memory",
    explanation="Shared memory (/dev/shm) is too small for the batches that data loading processes hand "
    "over. Containers have 64 MB of it unless told otherwise.",
    hint="Start the container with --shm-size=8g (or --ipc=host), or set "
    "Train.loader.use_shared_memory=False, or lower num_workers.",
    fatal=True,
)
DISK_FULL = Failure(
    reason="disk_full",
    explanation="A file could not be written because the disk (or a quota, or /dev/shm) is full. The "
    "checkpoint being written may be torn.",
    hint="Free space where the run writes, raise save_epoch_step so that fewer checkpoints are "
    "kept, and look at `df -h` for /dev/shm as well.",
    fatal=False,
)
PORT_IN_USE = Failure(
    reason="port_in_use",
    explanation="The processes of a multi-GPU training could not connect to each other: the port they agreed on is "
    "in use, often by processes left over from an earlier run.",
    hint="End what is left of earlier trainings, or set FLAGS_FIXED_PORT to the first of a range of free ports; "
    "starting again is often enough.",
    fatal=False,
)
NCCL = Failure(
    reason="nccl",
    explanation="The GPUs could not communicate: NCCL, which carries gradients between them, "
    "failed. One process may still wait for the others forever.",
    hint="Try one GPU first. With several, run once with NCCL_DEBUG=INFO, and check that all GPUs "
    "are visible, that the driver fits this PaddlePaddle, and that /dev/shm is large enough.",
    fatal=True,
)
MISSING_WEIGHTS = Failure(
    reason="missing_weights",
    explanation="The weights that training should start from are not there: the trainer looked for a "
    ".pdparams file, on this machine or at an address, and did not get it.",
    hint="Check Global.pretrained_model, Global.checkpoints and any `pretrained` below Architecture. What is at an "
    "address can be downloaded on another machine: overrides='Global.pretrained_model=/path/to/it'; "
    "overrides='Global.pretrained_model=' trains from scratch.",
    fatal=True,
)
RECURSION = Failure(
    reason="recursion",
    explanation="Sample after sample could not be read. PaddleOCR replaces a bad sample by another one, "
    "which was bad too, until Python stopped; without worker processes this repeats forever.",
    hint="Look at the first `When parsing line` error above: it names a sample and what is wrong "
    "with it. `validate` finds such samples before training. If every sample fails, suspect a "
    "library (numpy must be <2).",
    fatal=True,
)
READER_THREAD = Failure(
    reason="reader_thread",
    explanation="The thread or a process that loads data died. The training loop may wait for its next "
    "batch forever.",
    hint="The traceback around this line names the cause, often one bad sample. Set num_workers to "
    "0 once to see it in full.",
    fatal=True,
)
PYTHON_TRACEBACK = Failure(
    reason="python_traceback",
    explanation="The trainer printed a Python error.",
    hint="The lines above the error in the trainer's log say where it happened.",
    fatal=False,
)

FAILURE_SIGNATURES: tuple[tuple[re.Pattern[str], Failure], ...] = tuple(
    (re.compile(pattern, re.MULTILINE | re.IGNORECASE), failure)
    for pattern, failure in (
        # tools/train.py; #14392, #5503
        (r"(?:^|: )No Images in train dataset", NO_IMAGES),
        # #11266
        (
            r"Out of memory error on GPU|CUDA error\(2\), out of memory|cudaErrorMemoryAllocation",
            CUDA_OOM,
        ),
        # #9391, #6530
        (r"killed by signal: Bus error|Unexpected BUS error encountered", SHARED_MEMORY),
        # #3339
        (r"Memory map failed when create shared memory|insufficient shared memory", SHARED_MEMORY),
        # #7433, #2489
        (r"killed by signal: Killed|Fail to alloc memory of \d|std::bad_alloc", HOST_OOM),
        # #938
        (r"\[Errno 12\] Cannot allocate memory|^MemoryError(?:: *\S.*)?$", HOST_OOM),
        # What is left of it names no other memory.
        (r"ResourceExhausted(?:Error)?\b", CUDA_OOM),
        # #2203
        (r"No space left on device|Disk quota exceeded", DISK_FULL),
        # PaddlePaddle/Paddle#32892
        (r"Address already in use", PORT_IN_USE),
        # #743, PaddleDetection#7380
        (r"\bNCCL error\b|\[unhandled (?:cuda|system) error\]", NCCL),
        # #7166, #2623
        (
            r"\.pdparams does not exists?!|pdparams\) to load model not exists",
            MISSING_WEIGHTS,
        ),
        # ppocr/utils/network.py, since 2.9.
        (
            r"RuntimeError: Download(?:ing)? from .* failed",
            MISSING_WEIGHTS,
        ),
        # The same, before.
        (r"Something went wrong while downloading models", MISSING_WEIGHTS),
        # #12163
        (r"^RecursionError\b", RECURSION),
        # #4707
        (r"DataLoader reader thread (?:raised an exception|failed)", READER_THREAD),
        (r"^Exception in thread Thread|DataLoader \d+ workers? exit(?:ed)? unexpectedly", READER_THREAD),
        (r"DataLoader process \(pid +\d+\) exited is killed by signal", READER_THREAD),
    )
)
"""What to look for, the cause before its consequences: the first that is found anywhere in a text counts."""

_SAMPLE_ERROR = "When parsing line"
_SAMPLE_TRACEBACK = "error happened with msg: Traceback"
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
_ERROR_LINE = re.compile(
    r"(?:[A-Za-z_][\w.]{0,200}(?:Error|Exception|EnforceNotMet)|Exception|cv2\.error)(?:: .*|:?)", re.ASCII
)

_SUMMARY = "Error Message Summary:"
_NOTICE = re.compile(
    r"\b(?:DEBUG|INFO|WARN(?:ING)?)\b ?:|^\s*(?:DEBUG|INFO|WARNING)\b|\w*Warning: |^\s*[IW]\d{4} "
)
"""A line of a log, or a warning: it says what happened, never why something failed. The last are of Paddle's glog."""

_NUMPY_NAME = re.compile(r"AttributeError: (?:module 'numpy' has no attribute '|`np\.)(\w+)")
_GONE_IN_NUMPY_1_24 = ("bool", "int", "float", "complex", "object", "str", "long", "unicode")
MAX_ERROR = 300


def find_failure(text: str) -> Failure | None:
    """The failure that a text of the trainer's output shows, None where it shows none.

    `text` is one line or many, best the last hundred or so: causes then win over their consequences, and the
    traceback of a single bad sample, after which training continues, can be told from one that ends training.
    What PaddleOCR quotes of a user's labels is not searched. Never raises; linear in the length of the text.
    """
    lines = re.split(r"[\r\n]", text)
    whole, outside_samples = "\n".join(lines), list(_outside_samples(lines))
    searched = "\n".join(outside_samples)
    for signature, failure in FAILURE_SIGNATURES:
        if signature.search(whole if failure is RECURSION else searched):
            return failure
    error = exception_in(outside_samples)
    if not error:
        return None
    return replace(
        PYTHON_TRACEBACK,
        explanation=f"The trainer printed a Python error: {error!r}.",
        hint=numpy_hint(error) or PYTHON_TRACEBACK.hint,
    )


def exception_in(lines: Sequence[str]) -> str:
    """The last exception that a Python program printed: its type and the first line of its message, "" without one.

    The lines right below belong to its message, whatever they look like. Paddle's own exceptions begin with an empty
    line and have their message below "Error Message Summary".
    """
    found, in_message, in_traceback = "", False, False
    for number, line in enumerate(lines):
        if not line.strip():
            in_message = False
        elif line.startswith("Traceback (most recent call last):"):
            in_traceback, in_message = True, False
        elif in_traceback and not line.startswith((" ", "\t")):
            found, in_traceback, in_message = _with_message(lines, number), False, True
        elif not in_message and not in_traceback and _ERROR_LINE.fullmatch(line.rstrip()):
            found, in_message = _with_message(lines, number), True
    return found[:MAX_ERROR]


def reason_in(lines: Sequence[str]) -> str:
    """Why a program that is over failed: its last exception, else its last line that is no notice, else nothing."""
    reported = [line.strip() for line in lines if line[:1].strip() and not _NOTICE.search(line)]
    return exception_in(lines) or (reported[-1][:MAX_ERROR] if reported else "")


def numpy_hint(error: str) -> str:
    """What to do where `error` says that numpy has lost a name which PaddleOCR uses; "" for any other error."""
    match = _NUMPY_NAME.search(error)
    if match is None:
        return ""
    old = match[1] in _GONE_IN_NUMPY_1_24
    wanted, who = ("1.24", "PaddleOCR 2.6 and older need") if old else ("2", "every PaddleOCR needs")
    return (
        f"The trainer's numpy is too new: {who} numpy below {wanted}. In the trainer's interpreter: "
        f"python -m pip install 'numpy<{wanted}'{', for which Python is 3.11 at most' if old else ''} "
        "(docs/requirements.md)."
    )


def _with_message(lines: Sequence[str], number: int) -> str:
    """The line of an exception; where it ends with the type, the message's first line that says something."""
    head = lines[number].strip()
    if not head.endswith(":"):
        return head
    rest = [line.strip() for line in lines[number + 1 :]]
    if _SUMMARY in rest:
        rest = rest[rest.index(_SUMMARY) + 1 :]
    message = next((line for line in rest if line.strip("-") and line != head), "")
    return message if _ERROR_LINE.fullmatch(message) else f"{head} {message}".strip()


def _outside_samples(lines: list[str]) -> Iterator[str]:
    """The lines that do not belong to the report of a sample that could not be read.

    Such a report is "When parsing line ..., error happened with msg: Traceback ...", indented lines, and the
    error itself as the first line that is not indented; a chained exception adds another of these.
    """
    in_report = just_ended = False
    for line in lines:
        if _SAMPLE_ERROR in line or _SAMPLE_TRACEBACK in line or (just_ended and line.startswith(_CHAINED)):
            in_report = True
        elif not in_report:
            yield line
            just_ended = just_ended and not line.strip()
        elif line.strip() and not line.startswith((" ", "\t", ",", "Traceback")):
            in_report, just_ended = False, True
            if line.startswith("["):
                yield line
