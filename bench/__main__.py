"""`python -m bench [NAME…] [--quick]`: a table, and bench/out/report.json."""

from __future__ import annotations

import sys
import time
import traceback
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from . import capturing, deciding, hashing, ledger, memory, policy, serving, training, verifying
from .measure import Row
from .report import PEERS, report

BENCHES: dict[str, Callable[[Path, bool], list[Row]]] = {
    "training": training.runs,
    "fresh": training.fresh,
    "capture": capturing.bench,
    "serving": serving.bench,
    "deciding": deciding.bench,
    "hashing": hashing.bench,
    "memory": memory.bench,
    "ledger": ledger.bench,
    "verifying": verifying.bench,
    "policy": policy.bench,
}


def main() -> int:
    """Run the benches that were named, or all; 1 if one crashed, whatever became of the goals."""
    parser = ArgumentParser("python -m bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--quick", action="store_true", help="few repeats: does it work at all?")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    console = Console(stderr=True)
    rows: list[Row] = []
    crashed = False
    for name in arguments.names or BENCHES:
        began = time.monotonic()
        try:
            with TemporaryDirectory(prefix=f"bench-{name}-") as folder:
                rows += BENCHES[name](Path(folder).resolve(), arguments.quick)
        except Exception:  # the others are still worth having
            crashed = True
            traceback.print_exc()
        console.print(f"{name}: {time.monotonic() - began:.0f} s", style="dim")
    report(PEERS, rows)
    return int(crashed)


if __name__ == "__main__":
    sys.exit(main())
