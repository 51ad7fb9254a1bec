"""Which distributions the program runs with: read from the names of their metadata's folders.

Nothing is opened, so that a hundred cost less than a millisecond.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator

from ..tags import ENV_DIGEST
from .host import Host

_METADATA = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")
_BETWEEN = re.compile(r"[-_.]+")


def digest(host: Host) -> dict[str, str]:
    """One digest for the same set of names and versions, wherever they are installed."""
    text = "".join(f"{line}\n" for line in lines(host)).encode()
    return {ENV_DIGEST: "sha256:" + hashlib.sha256(text).hexdigest()} if text else {}


def lines(host: Host) -> list[str]:
    """What is installed, as it was when this process was asked first."""
    return host.once("distributions", lambda: installed(host.path))


def installed(path: Iterable[str]) -> list[str]:
    """`name==version` of every distribution on a module search path, in order of the names.

    Of two with one name, the one that Python would import.
    """
    found: dict[str, str] = {}
    for name, version in (one for place in path for one in _in(place)):
        found.setdefault(name, version)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _in(place: str) -> Iterator[tuple[str, str]]:
    try:
        names = sorted(entry.name for entry in os.scandir(place or "."))
    except OSError:  # a zip file, or a folder that is not there: Python passes it over too
        return
    for name in names:
        if known := _METADATA.fullmatch(name):
            yield _BETWEEN.sub("-", known["name"]).lower(), known["version"]
