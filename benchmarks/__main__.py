"""`python -m benchmarks`: every benchmark in turn, each a process of its own, and benchmarks/RESULTS.md made of what they found."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.kept_models import VARIABLE
from benchmarks.machine import about
from benchmarks.results import Part, write_results

PROGRAMS = (
    *("tracking", "cpu_training", "finishing", "serving", "checkpoint_upload", "resume", "replay"),
    *("fetch", "validation", "log_parsing", "compare_page", "boxes"),
)
"""In the order in which they run: what a busy machine disturbs most comes first."""

RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    """Run them; 0 where every bar holds, 1 where one is missed, 2 where a program did not end as it should."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(PROGRAMS)}")
    parser.add_argument("--quick", action="store_true", help="small, and 2 rounds: do they work?")
    parser.add_argument("--results", type=Path, metavar="FILE", help="write the results there")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(PROGRAMS)):
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(PROGRAMS)}")
    names = [name for name in PROGRAMS if not arguments.names or name in arguments.names]
    start, before = time.monotonic(), about()
    whole = not arguments.names and not arguments.quick
    target = arguments.results or (RESULTS if whole else None)
    parts: list[Part] = []
    with tempfile.TemporaryDirectory(prefix="bench-models-", ignore_cleanup_errors=True) as kept:
        os.environ.setdefault(VARIABLE, kept)
        for name in names:
            parts.append(_run(name, quick=arguments.quick))
            minutes = (time.monotonic() - start) / 60
            if target:
                # What was measured stays, whatever ends the rest.
                write_results(target, parts, before, minutes=minutes)
    if target:
        print(f"{target} is written")
    missed = sum(row["verdict"] == "missed" for part in parts for row in part.rows)
    print(f"{minutes:.1f} minutes; bars missed: {missed}")
    if any(part.failed for part in parts):
        return 2
    return 1 if missed else 0


def _run(name: str, *, quick: bool) -> Part:
    """One benchmark, to its end; its table and progress are shown as they come."""
    print(f"\n== {name}", flush=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        found = Path(folder) / "found.json"
        argv = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(found)]
        status = subprocess.run([*argv, *(["--quick"] if quick else [])], check=False).returncode
        document = json.loads(found.read_text(encoding="utf-8")) if found.is_file() else {}
    return Part(
        name=name,
        minutes=(time.monotonic() - start) / 60,
        load=" -> ".join(document.get("load", ())),
        rows=document.get("rows", ()),
        failed="" if document else f"ended with {status} and no figures",
    )


if __name__ == "__main__":
    sys.exit(main())
