"""What must not become a tag: credentials, in addresses and in values."""

from __future__ import annotations

import re

_URL = re.compile(
    r"(?P<scheme>https?|ssh|git)://"
    r"(?:[^/?#\s]*@)?"
    r"(?P<place>(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[^\s?#@\\]*)?)"
    r"(?:[?#][^@]*)?",
    re.ASCII,
)
_SCP = re.compile(r"(?:[\w.-]+@)?[\w.-]{2,}:(?!//)[^\s?#@\\:]+", re.ASCII)

_SECRET = re.compile(
    r"://[^/?#\s]*:[^/?#\s]*@"  # a password in an address
    r"|https?://[^/?#\s]+@"  # a token in place of the user
    r"|[?&;](?:sig|signature|token|access_token|api_?key|password|secret)=[^&\s]"
    r"|(?:AccountKey|SharedAccessKey|Password|Pwd)="
    r"|\b(?:gh[opsur]_|github_pat_|glpat-|xox[abeprs]-)[\w-]{16,}"
    r"|\bsk-(?:proj-)?[A-Za-z0-9]{20,}|\bdapi[0-9a-f]{32}"
    r"|\bA(?:KIA|SIA)[0-9A-Z]{16}\b"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\."  # a JSON Web Token
    r"|-----BEGIN [A-Z ]*PRIVATE KEY",
    re.IGNORECASE,
)


def public_url(address: str) -> str | None:
    """The address without user, password, query and fragment; None when it is no plain URL.

    An `@` behind the host means a password that was not encoded: then nothing is kept.
    """
    found = _URL.fullmatch(address.strip())
    return f"{found['scheme']}://{found['place']}" if found else None


def public_remote(address: str) -> str | None:
    """A git remote that may be shown: a URL, or `git@host:path`; never a local path."""
    plain = address.strip()
    return public_url(plain) or (plain if _SCP.fullmatch(plain) else None)


def looks_secret(value: str) -> bool:
    """Whether the value holds something that looks like a credential."""
    return _SECRET.search(value) is not None
