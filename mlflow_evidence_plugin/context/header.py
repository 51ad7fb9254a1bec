"""The request header: a few of the tags, for gateways that audit who logs what."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

from ..tags import HEADER, HEADER_MAX, HEADER_NAMES, PREFIX

SERVER = "server"
"""Who stamped a run that has its tags from the header: `mlflow server` with our plugin."""


def headers(found: Mapping[str, str]) -> dict[str, str]:
    """`key=value` pairs joined by `&`, percent-encoded: pure ASCII without blanks or breaks.

    A pair for which there is no room is left out whole. No pairs, no header.
    """
    value = ""
    for name in HEADER_NAMES:
        if said := found.get(PREFIX + name):
            longer = f"{value}&{name}={quote(said, safe='')}".removeprefix("&")
            value = longer if len(longer) <= HEADER_MAX else value
    return {HEADER: value} if value else {}


def told(value: str) -> dict[str, str]:
    """The tags that a header stands for; {} for one that no plugin has written.

    One that came twice, joined by a comma or a blank, says nothing: it may be of two clients.
    """
    if len(value) > HEADER_MAX or any(one in value for one in ", \t"):
        return {}
    try:
        pairs = parse_qsl(value, errors="strict", max_num_fields=len(HEADER_NAMES))
    except ValueError:  # too many pairs, or no UTF-8
        return {}
    said = dict(pairs)
    known = len(said) == len(pairs)
    return {PREFIX + name: said[name] for name in HEADER_NAMES if known and name in said}
