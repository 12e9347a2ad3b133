"""A program of its own, which imports nothing of ours: the samples of an LMDB in turn, as bytes on the standard output.

    python -I lmdb_script.py FOLDER

A sample is its number, the lengths of its image and its label (`ABSENT` for one that is not there), then both. After the
last one stands `END` with the number of samples that are counted and cannot be there. Without `END` the file is damaged.
"""

from __future__ import annotations

import signal
import struct
import sys

HEAD = struct.Struct(">QQQ")
END = 2**64 - 1
ABSENT = 2**64 - 1
_MAX_LOST = 10**9
_RECORD_S = 60


def main(folder: str) -> None:
    """Write the samples of the LMDB in `folder`."""
    import lmdb  # type: ignore[import-untyped]

    out = sys.stdout.buffer
    with lmdb.open(folder, readonly=True, lock=False, readahead=False, max_readers=1) as env:
        entries = env.stat()["entries"]
        with env.begin() as transaction:
            count = int(transaction.get(b"num-samples"))
            for number in range(1, min(count, entries) + 1):
                if hasattr(signal, "alarm"):
                    # A damaged file may be a circle.
                    signal.alarm(_RECORD_S)
                image = transaction.get(b"image-%09d" % number)
                label = transaction.get(b"label-%09d" % number)
                lengths = (ABSENT if part is None else len(part) for part in (image, label))
                out.write(HEAD.pack(number, *lengths) + (image or b"") + (label or b""))
    out.write(HEAD.pack(END, min(max(count - entries, 0), _MAX_LOST), 0))
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1])
