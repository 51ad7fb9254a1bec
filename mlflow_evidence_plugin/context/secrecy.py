"""What must not become a tag: credentials, in addresses and in values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote

_URL = re.compile(
    r"(?P<scheme>https?|ssh|git)://"
    r"(?:[^/?#\s]*@)?"
    r"(?P<place>(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[^\s?#@\\]*)?)"
    r"(?:[?#][^@]*)?",
    re.ASCII,
)
_SCP = re.compile(r"(?:(?P<user>[\w.-]+)@)?(?P<place>[\w.-]{2,}:(?!//)[^\s?#@\\:]+)", re.ASCII)
_IMAGE = re.compile(r"[\w./:-]+(?:@[a-z0-9]+:[0-9a-f]+)?", re.ASCII)

_NAMED = (
    r"(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key"
    r"|private[_-]?key|secret[_-]?key|shared[_-]?access[_-]?(?:key|signature)|credentials?)"
)

SHAPES = {
    "password in an address": r"://[^/?#\s]*:[^/?#\s]*@"
    r"|://[^/?#\s:@]+:(?!\d{1,5}[/?#])\S{0,200}@",  # with a slash in it: no port, then
    "token in an address": r"https?://[^/?#\s]+@",
    "signature or token in a query": r"[?&;](?:sig|signature)=[^&\s]"
    r"|[?&;](?:code|key|auth)=[\w%~.+/-]{16}"
    r"|[?&;]x-(?:amz|goog)-(?:signature|credential)=",
    "named value": _NAMED + r"[\"']?=[\"']?[^\s\"']",
    "named value in a document": _NAMED + r"[\"']?:\s*[\"'][^\s\"']{6}",
    "authorization": r"\bauthorization\s*[:=]|\bbearer\s+[\w.~+/=-]{16}|\bbasic\s+[\w+/]{18,}=",
    "GitHub": r"\bgh[opsur]_[A-Za-z0-9]{16}|\bgithub_pat_\w{16}",
    "GitLab": r"\bgl(?:pat|ptt|dt|rt|cbt|ft|imt|soat|agent|oas|ffct)-[\w-]{16}",
    "Slack": r"\bxox[abceoprs](?:\.xox[a-z])?-[\w-]{10}|\bxapp-\d-[\w-]{10}",
    "webhook": r"\bhooks\.slack\.com/(?:services|workflows|triggers)/\w"
    r"|\.webhook\.office\.com/webhook|\boutlook\.office\.com/webhook"
    r"|\bdiscord(?:app)?\.com/api/webhooks/\d",
    "OpenAI, Anthropic": r"\bsk-(?:ant-|proj-|svcacct-|admin-|or-)[\w-]{16}|\bsk-[A-Za-z0-9]{20}",
    "Hugging Face": r"\b(?:hf|api_org)_[A-Za-z0-9]{20}",
    "Databricks": r"\bd(?:api|ose|sapi|cef)[0-9a-f]{32}",
    "package index": r"\bnpm_[A-Za-z0-9]{20}|\bpypi-[\w-]{16}|\brubygems_[0-9a-f]{20}",
    "Google": r"\bAIza[\w-]{30}|\bGOCSPX-[\w-]{20}|\bya29\.[\w-]{20}",
    "AWS": r"\bA(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}\b",
    "Azure": r"\b\w{3}8Q~[\w.~-]{20}|[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}|[A-Za-z0-9+/]{86}==",
    "others": r"\bdop_v1_[0-9a-f]{20}|\bhv[sbr]\.[\w-]{20}|\bSG\.[\w-]{16,}\.[\w-]{16}"
    r"|\b[rs]k_(?:live|test)_[A-Za-z0-9]{16}|\blin_api_\w{16}|\bwandb_v1_\w{16}"
    r"|\bAGE-SECRET-KEY-",
    "JSON Web Token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
}
"""What credentials look like, by kind. Letters count in either case."""

_SECRET = re.compile("|".join(f"(?:{shape})" for shape in SHAPES.values()), re.IGNORECASE)

_HOLDS_SECRET = re.compile(
    _NAMED + r"$|_(?:PAT|SAS|JWT|DSN|KEY|CONNECTION_STRING|CONNSTR)$", re.IGNORECASE
)
SHORTEST = 8
"""Characters of a variable's value from which on it is looked for in what we would tell."""


def public_url(address: str) -> str | None:
    """The address without user, password, query and fragment; None when it is no plain URL.

    An `@` behind the host means a password that was not encoded: then nothing is kept.
    """
    found = _URL.fullmatch(address.strip())
    return f"{found['scheme']}://{found['place']}" if found else None


def public_remote(address: str) -> str | None:
    """A git remote that may be shown: a URL, or `git@host:path`; never a local path.

    Of the user only `git` is kept, since a token may stand there.
    """
    found = _SCP.fullmatch(address.strip())
    if found is None or "://" in address:
        return public_url(address)
    return ("git@" if found["user"] == "git" else "") + found["place"]


def public_image(reference: str) -> str | None:
    """A container image without a scheme, and without the registry's user and password."""
    plain = re.sub(r"^[a-z+-]+://", "", reference.strip())
    place = re.sub(r"^[^/]*@(?=[\w.-]+(?::\d+)?/)", "", plain)
    return place if _IMAGE.fullmatch(place) else None


@lru_cache(maxsize=256)
def looks_secret(value: str) -> bool:
    """Whether the value holds something that looks like a credential, percent-encoded or not."""
    if _SECRET.search(value):
        return True
    return "%" in value and _SECRET.search(unquote(value)) is not None


def tells(value: str, env: Mapping[str, str]) -> bool:
    """Whether the value holds that of a variable whose name says that it is a credential.

    A password looks like anything: this finds the one that CI has put into a branch's name.
    """
    return any(
        isinstance(said, str)
        and len(said) >= SHORTEST
        and said in value
        and _HOLDS_SECRET.search(name)
        for name, said in env.items()
    )
