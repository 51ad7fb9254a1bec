"""`python -m bench [NAME…] [--quick]`: a table, and bench/out/report.json."""

from __future__ import annotations

import json
import sys
import time
import traceback
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from . import capturing, hashing, memory, serving, training
from .measure import Row

BENCHES: dict[str, Callable[[Path, bool], list[Row]]] = {
    "training": training.runs,
    "fresh": training.fresh,
    "capture": capturing.bench,
    "serving": serving.bench,
    "hashing": hashing.bench,
    "memory": memory.bench,
}
REPORT = Path(__file__).parent / "out" / "report.json"
VERDICTS = {True: "[green]met", False: "[bold red]missed", None: ""}


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
    _report(rows)
    return int(crashed)


def _report(rows: list[Row]) -> None:
    documents = [row.document() for row in rows]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(documents, indent=2, ensure_ascii=False) + "\n")
    table = Table("what", "ours", "peer", "unit", "ours ÷ peer", "goal", "")
    for one in documents:
        figures = (f"{one[key]:,.3f}" for key in ("ours", "peer"))
        ratio = "" if one["ratio"] is None else f"{one['ratio']:.3f}"
        table.add_row(
            one["name"], *figures, one["unit"], ratio, one["goal"] or "–", VERDICTS[one["met"]]
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)


if __name__ == "__main__":
    sys.exit(main())
