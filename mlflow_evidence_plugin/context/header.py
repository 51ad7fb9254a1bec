"""The request header: a few of the tags, for gateways that audit who logs what."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from ..tags import HEADER, HEADER_MAX, HEADER_NAMES, PREFIX


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
