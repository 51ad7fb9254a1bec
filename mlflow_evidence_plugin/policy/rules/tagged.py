"""Rules about what people said of the run: its tags."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from ...record import Record
from ...tags import GOVERNANCE, PREFIX
from ..case import Case
from ..patterns import matches
from .outcome import Options, Outcome, based, listed, short, tag, tag_fact


def required_tags(case: Case, options: Options) -> Outcome:
    """Tags that the run must carry: governance names (`owner`) or full tag names."""
    patterns: Mapping[str, str] = options.get("patterns", {})
    wanted = [*options.get("tags", ()), *(n for n in patterns if n not in options.get("tags", ()))]
    missing = [name for name in wanted if not tag(case.record, name)]
    wrong = [
        f"{name} {short(value)!r}"
        for name, pattern in patterns.items()
        if (value := tag(case.record, name)) and not matches(value, pattern)
    ]
    told = ["missing: " + ", ".join(missing)] if missing else []
    told += [f"not as asked: {listed(wrong)}"] if wrong else []
    shown = [f"{name} matching {patterns[name]}" if name in patterns else name for name in wanted]
    outcome = Outcome(
        not told,
        "; ".join(told) if told else "all there",
        "tags " + ", ".join(shown),
        f"set {_how_to_set(missing or _names(wrong))} and train again, or set "
        f"{_full_names(missing or _names(wrong))} on the run; capture it then",
    )
    return based(outcome, _facts(case.record, wanted), options)


def monitoring_signal(case: Case, options: Options) -> Outcome:
    """The tag `monitoring` must be the address of where the model is watched."""
    said = tag(case.record, "monitoring")
    hosts = options.get("hosts", ("*",))
    asked = "the tag monitoring: an https address"
    asked += f" at {' or '.join(hosts)}" if "hosts" in options else ""
    outcome = Outcome(
        said is not None and _watched(said, hosts),
        f"monitoring {short(said)}" if said else "no monitoring is named",
        asked,
        "set EVIDENCE_MONITORING (or evidence.toml), train again and register the new run",
    )
    return based(outcome, _facts(case.record, ["monitoring"]), options)


def _watched(address: str, hosts: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    # Readers differ in what of `https://a\\@b` is the host.
    odd = "\\" in address or "@" in parts.netloc or not address.isprintable() or port == 0
    known = parts.scheme == "https" and host is not None and not odd
    return known and any(fnmatchcase(host or "", one.lower()) for one in hosts)


def _facts(record: Record, names: list[str]) -> dict[str, Mapping[str, object]]:
    return {name: one for name in names if (one := tag_fact(record, name))}


def _names(wrong: list[str]) -> list[str]:
    return [one.split(" ", 1)[0] for one in wrong]


def _full_names(names: list[str]) -> str:
    return ", ".join(PREFIX + name if name in GOVERNANCE else name for name in names)


def _how_to_set(names: list[str]) -> str:
    shown = [f"EVIDENCE_{n.upper()}" for n in names if "." not in n]
    return ", ".join(shown + [n for n in names if "." in n]) + " (or evidence.toml)"
