"""The report: a table, and bench/out/report.json with the rows of each section's last run."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .measure import Row

REPORT = Path(__file__).parent / "out" / "report.json"
PEERS, SCALE = "peers", "scale"
HEADINGS = {PEERS: ("ours", "peer", "ours ÷ peer"), SCALE: ("this", "against", "ratio")}
VERDICTS = {True: "[green]met", False: "[bold red]missed", None: ""}


def report(section: str, rows: Sequence[Row]) -> None:
    """Print the rows, and put them into the file in place of what their section had there."""
    documents = [{"section": section, **row.document()} for row in rows]
    REPORT.parent.mkdir(exist_ok=True)
    before = json.loads(REPORT.read_text()) if REPORT.exists() else []
    others = [one for one in before if one.get("section", PEERS) != section]
    whole = json.dumps(others + documents, indent=2, ensure_ascii=False)
    REPORT.write_text(whole + "\n")
    ours, peer, ratio = HEADINGS[section]
    table = Table("what", ours, peer, "unit", ratio, "goal", "")
    for one in documents:
        figures = (f"{one[key]:,.3f}" for key in ("ours", "peer"))
        quotient = "" if one["ratio"] is None else f"{one['ratio']:.3f}"
        told = (one["unit"], quotient, one["goal"] or "–", VERDICTS[one["met"]])
        table.add_row(one["name"], *figures, *told)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
