"""Writes the table of docs/stamping.md from what pytest told of the cells in JUnit's form.

`python -m tests.matrix.table oldest.xml azureml.xml newest.xml`, in the order of the columns.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from xml.etree import ElementTree

from .paths import PATHS, Path, Store, Versions

PAGE = File(__file__).parents[2] / "docs" / "stamping.md"
BEGIN, END = "<!-- table -->\n", "<!-- /table -->"
STORES: Mapping[Store, str] = {"sqlite": "SQLite", "http": "HTTP", "azureml": "Azure ML"}
MODULES: Mapping[str, Store] = {
    "tests.matrix.test_sqlite": "sqlite",
    "tests.matrix.test_http": "http",
    "tests.azureml.test_paths": "azureml",
}


Cells = Mapping[tuple[str, Store], str | None]
"""By path and store: None where all was stamped, else the reason why that cannot be."""


def read(report: File) -> tuple[Versions, Cells]:
    """What one environment's report says; ValueError where a cell failed."""
    cells: dict[tuple[str, Store], str | None] = {}
    versions: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        store = MODULES.get(case.get("classname", ""))
        if store is None:
            continue
        name = case.get("name", "").partition("[")[2].rstrip("]")
        if case.find("failure") is not None or case.find("error") is not None:
            raise ValueError(f"{report}: {name} on {store} failed")
        skipped = case.find("skipped")
        cells[name, store] = None if skipped is None else skipped.get("message")
        versions |= {one.get("name", ""): one.get("value", "") for one in case.iter("property")}
    return Versions(versions["mlflow"], versions["azureml"]), cells


def expected(versions: Versions) -> Cells:
    """The cells, if every path that exists is stamped."""
    return {(p.name, store): p.missing(store, versions) for p in PATHS for store in STORES}


def render(columns: Sequence[tuple[Versions, Cells]]) -> str:
    """The table and its footnotes as Markdown."""
    notes: list[str] = []
    heads = [
        f"{label} {versions.mlflow}" if store == "sqlite" else label
        for versions, _ in columns
        for store, label in STORES.items()
    ]
    lines = [_line("path", *heads), _line(*["---"] * (len(heads) + 1))]
    lines += [_row(path, [cells for _, cells in columns], notes) for path in PATHS]
    beside = "; ".join(f"mlflow {v.mlflow}: azureml-mlflow {v.azureml}" for v, _ in columns)
    lines += ["", f"Azure ML's client beside {beside}."]
    lines += [line for number, note in enumerate(notes, 1) for line in ("", f"({number}) {note}")]
    return "\n".join(lines) + "\n"


def _row(path: Path, columns: Sequence[Cells], notes: list[str]) -> str:
    said = []
    for reason in (cells[path.name, store] for cells in columns for store in STORES):
        if reason and reason not in notes:
            notes.append(reason)
        said.append(f"– ({notes.index(reason) + 1})" if reason else "yes")
    return _line(path.title, *said)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def split(page: str) -> tuple[str, str, str]:
    """What stands before, between and after the markers."""
    before, _, rest = page.partition(BEGIN)
    table, _, after = rest.partition(END)
    return before + BEGIN, table, END + after


def main() -> None:
    before, _, after = split(PAGE.read_text("utf-8"))
    columns = [read(File(report)) for report in sys.argv[1:]]
    PAGE.write_text(before + render(columns) + after, "utf-8")


if __name__ == "__main__":
    main()
