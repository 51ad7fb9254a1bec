"""Where calls may go: base URLs of the consumers file, and what is below them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from mlflow_evidence_plugin.errors import CallbackRefused

from .addresses import PUBLIC

_SANE = re.compile(r"[!-~]{1,2048}")
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~%-]+)*/?")


@dataclass(frozen=True)
class Target:
    """Where calls may go: a base URL of the consumers file, and the addresses its host may have.

    `ca_file` is a PEM file with the authorities that may vouch for it, where they are not public.
    """

    url: str
    addresses: str = PUBLIC
    ca_file: str | None = None

    def below(self, url: str) -> str:
        """The path of a stranger's URL below this one; CallbackRefused for one that is not there.

        What it says is not repeated: it may hold a password.
        """
        mine, theirs = split(self.url), split(url)
        if mine and theirs and mine[:3] == theirs[:3]:
            path = theirs[3] + "/"
            if path.startswith(mine[3] + "/"):
                return path[len(mine[3]) :].strip("/")
        raise CallbackRefused(
            "the callback URL is not one that this service may call",
            "name its host in the consumers file, exactly as it is called",
        )


def split(url: str) -> tuple[str, str, int, str] | None:
    """Scheme, host, port and path of a plain http(s) URL; None for any other.

    One with a user, a query, a fragment or dots in its path is not plain.
    """
    try:
        parts = urlsplit(url) if _SANE.fullmatch(url) else None
        if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
            return None
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    host, _, _ = parts.netloc.rpartition(":") if parts.port else (parts.netloc, "", "")
    dots = {".", ".."} & set(parts.path.split("/"))
    plain = _HOST.fullmatch(host) and _PATH.fullmatch(parts.path) and not dots
    if not plain or "?" in url or "#" in url:
        return None
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/")
