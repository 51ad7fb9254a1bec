"""What only people know: owner, support, ticket, rollback … from files and variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..tags import GOVERNANCE, PREFIX
from .admission import refusal
from .files import Loaded, load, nearest
from .host import DISABLED, LOG_ENVIRONMENT, Host
from .notices import Problem, tell

TABLE = "governance"
VARIABLES = {f"EVIDENCE_{name.upper()}": name for name in GOVERNANCE}
CONFIG = "EVIDENCE_CONFIG"
OTHERS = (CONFIG, DISABLED, LOG_ENVIRONMENT, "EVIDENCE_IMAGE")
"""Variables that are no governance values."""


@dataclass(frozen=True)
class Declared:
    """One value, and the file or variable which has the last word on it."""

    value: str
    source: str


@dataclass(frozen=True)
class Governance:
    """What the files and variables say together, by name, and all that is wrong with them."""

    values: Mapping[str, Declared]
    problems: tuple[Problem, ...]
    files: tuple[Path, ...]


def declared(host: Host) -> dict[str, str]:
    """A source: the values as tags, after a warning about what had to be left out."""
    found = read(host)
    for problem in found.problems:
        tell(problem)
    return {PREFIX + name: entry.value for name, entry in found.values.items()}


def read(host: Host) -> Governance:
    """Organisation's file, evidence.toml, variables: the later wins, name by name.

    Files are read once per process, variables each time.
    """
    values: dict[str, Declared] = {}
    problems: list[Problem] = []
    loaded = _files(host)
    for file in loaded:
        said, wrong = _of_file(file)
        values.update(said)
        problems.extend(wrong)
    values.update(_of_variables(host.env))
    for name, entry in list(values.items()):
        # An earlier value does not step in: it is not what the later one meant to say.
        if refused := refusal(PREFIX + name, entry.value, entry.source, host.env):
            problems.append(refused)
            del values[name]
    return Governance(values, tuple(problems), tuple(file.path for file in loaded))


def misspelt(host: Host) -> tuple[Problem, ...]:
    """Variables that look like one of ours with a typing error; only `doctor` asks."""
    from difflib import get_close_matches

    return tuple(
        Problem(name, "is not a known variable", f"Did you mean {close[0]}?", loud=False)
        for name in sorted(host.env)
        if name.startswith("EVIDENCE_") and name not in (*VARIABLES, *OTHERS)
        if (close := get_close_matches(name, (*VARIABLES, *OTHERS), n=1, cutoff=0.85))
    )


def _files(host: Host) -> list[Loaded]:
    paths = [Path(named)] if (named := host.env.get(CONFIG, "").strip()) else []
    if own := host.once("evidence.toml", lambda: nearest(host)):
        paths += [] if own in paths else [own]
    return [host.once(f"file {path}", partial(load, path, host.uid)) for path in paths]


def _of_file(file: Loaded) -> tuple[dict[str, Declared], list[Problem]]:
    if file.problem:
        return {}, [file.problem]
    table = file.content.get(TABLE, {})
    if not isinstance(table, dict):
        return {}, [Problem(str(file.path), f"{TABLE} is not a table", f"Write [{TABLE}]")]
    values: dict[str, Declared] = {}
    problems = list(_unknown(file, table))
    for name in GOVERNANCE:
        text = _text(table.get(name))
        if text:
            values[name] = Declared(text, str(file.path))
        elif text is None:
            subject = f"{PREFIX}{name} in {file.path}"
            problems.append(Problem(subject, "is not text", "Write the value in quotes"))
    return values, problems


def _text(value: object) -> str | None:
    """Text, or a whole number as text; "" when nothing is said; None for what is neither."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return str(value)  # a cost centre is often written without quotes
    return value.strip() if isinstance(value, str) else None


def _unknown(file: Loaded, table: Mapping[str, object]) -> Iterator[Problem]:
    for name in sorted(table.keys() - set(GOVERNANCE)):
        subject = f"{name} in {file.path}"
        yield Problem(subject, "is not a known name", f"Known: {', '.join(GOVERNANCE)}", loud=False)
    for name in sorted(file.content.keys() - {TABLE}):
        mend = f"Values belong under [{TABLE}]"
        yield Problem(f"{name} in {file.path}", "is outside the table", mend, loud=False)


def _of_variables(env: Mapping[str, str]) -> dict[str, Declared]:
    # An empty variable says nothing: CI systems set them so when a field is left blank.
    said = {name: (variable, env.get(variable, "").strip()) for variable, name in VARIABLES.items()}
    return {name: Declared(value, variable) for name, (variable, value) in said.items() if value}
