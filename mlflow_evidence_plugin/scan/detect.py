"""Which parts of a text are secrets. The detectors are detect-secrets' own, and two of ours.

They are called one by one, line by line: the library's own file scan keeps settings in globals
and reads only from disk, and its line scan takes every number for a secret.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

LINE = 4_000
"""Longer lines are looked at in pieces: the detectors' time grows faster than a line's length."""
OVERLAP = 300

# Only lines in which a secret could stand are given to the detectors: a keyword, a URL with
# somebody's name in it, or twenty characters in a row with which keys are written.
_CANDIDATE = re.compile(
    r"pass|pwd|secret|key|token|bearer|contrase|sig=|://[^\s/]*@|[A-Za-z0-9_\-+/=:.]{20}",
    re.IGNORECASE,
)
_NUMBERS_ONLY = re.compile(r"[\d\s.,;:eE+\-\[\]\"']*\Z")
# Git commits, run ids, UUIDs and content digests look like keys and are evidence.
_IDENTIFIER = re.compile(
    r"(m-)?([0-9a-fA-F]{7,8}|[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}"
    r"|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\Z"
)
_OURS = {
    "azure-sas": re.compile(r"[?&;]sig=([A-Za-z0-9%+/=_-]{20,})", re.IGNORECASE),
    "databricks-token": re.compile(r"\b(dapi[0-9a-f]{32}(?:-\d)?)\b"),
    "azure-account-key": re.compile(r"(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/=]{20,})"),
    "password-in-url": re.compile(r"://[^\s/:@]*:([^\s/@]+)@"),
    "bearer-token": re.compile(r"\bbearer\s+([A-Za-z0-9._~+/=-]{16,})", re.IGNORECASE),
    # `password=…` in a connection string, `--api-key=…` on a command line, `?token=…` in a URL.
    "assigned-secret": re.compile(
        r"(?:^|[\s;,&?\"'-])(?:db_?)?(?:password|passwd|pwd|api[_-]?key|client[_-]?secret"
        r"|(?:access[_-]?|auth[_-]?)?token)=([^\s\"'&;,$()\[\]{}<>]{6,})(?=$|[\s\"'&;,])",
        re.IGNORECASE,
    ),
    "environment-secret": re.compile(
        r"\b[A-Z0-9_]*(?:PASSWORD|PASSWD|SECRET|API_?KEY|ACCESS_?KEY|TOKEN)[A-Z0-9_]*=([^\s\"'$]{6,})"
    ),
}
_SKIPPED = ("IPPublicDetector", "BasicAuthDetector")  # no secret; and ours is stricter
_REST = re.compile(r"[A-Za-z0-9+/=_.~%-]*")
_ENDLESS = re.compile(r"\w{250,}")
_WORDS = re.compile(r"[-_/=+]")
PASSWORD = 6
"""A number with fewer digits is a number, whatever it is called."""
WORD = 14
"""A text of parts no longer than this, between slashes and dashes, is a path or a name."""
_HARMLESS = frozenset(("none", "null", "true", "false", "yes", "no", "auto"))


@dataclass(frozen=True)
class Hit:
    """A secret's text, and what kind it is. Never stored, never logged."""

    text: str
    kind: str


def hits(line: str, filename: str = "", guess: bool = True) -> list[Hit]:
    """The secrets in one line of text, longest first, each text once.

    The file's name tells whether values stand without quotes (YAML, INI, …). Without `guess`,
    a text is not taken for a secret only because it looks random: right for names and paths.
    """
    found: dict[str, str] = {}
    for piece in _pieces(line):
        for text, kind in _piece_hits(piece, filename, guess):
            found.setdefault(text, kind)
    return [Hit(t, k) for t, k in sorted(found.items(), key=lambda item: (-len(item[0]), item[0]))]


def candidate(line: str) -> bool:
    """Whether the detectors need to look at this line at all."""
    return bool(_CANDIDATE.search(line)) and not _NUMBERS_ONLY.match(line)


@lru_cache(maxsize=4096)
def fingerprint(text: str, salt: str) -> str:
    """Tells the same secret again, and is slow to guess: scrypt, 16 hex digits."""
    found = hashlib.scrypt(text.encode("utf-8", "replace"), salt=salt.encode(), n=2**13, r=8, p=1)
    return found.hex()[:16]


def _pieces(line: str) -> Iterator[str]:
    for start in range(0, max(len(line), 1), LINE - OVERLAP):
        piece = line[start : start + LINE]
        if candidate(piece):
            yield piece
        if start + LINE >= len(line):
            return


def _piece_hits(piece: str, filename: str, guess: bool) -> Iterator[tuple[str, str]]:
    for kind, pattern in _OURS.items():
        for match in pattern.finditer(piece):
            yield match.group(1), kind
    for detector in _vendors():
        for pattern in detector.denylist:
            for match in pattern.finditer(piece):
                # The patterns are made to recognise a token, and may end before it does.
                rest = _REST.match(piece, match.end())
                yield match.group() + (rest.group() if rest else ""), _kind(detector)
    yield from _keywords(piece, filename)
    if guess:
        yield from _random(piece)


def _keywords(piece: str, filename: str) -> Iterator[tuple[str, str]]:
    from detect_secrets.plugins import keyword
    from detect_secrets.util.filetype import determine_file_type

    patterns = keyword.REGEX_BY_FILETYPE.get(determine_file_type(filename))
    # Within one endless word the library's patterns take time by the square of its length.
    piece = _ENDLESS.sub(lambda word: word.group()[-WORD:], piece)
    for text in keyword.KeywordDetector().analyze_string(piece, patterns):
        number = text.replace(".", "", 1).isdigit() and len(text) < PASSWORD
        if text and not (number or text.lower() in _HARMLESS or _templated(text)):
            yield text, "secret-keyword"


def _random(piece: str) -> Iterator[tuple[str, str]]:
    from detect_secrets.filters import heuristic

    for detector in _entropy():
        for text in detector.analyze_string(piece):
            wordy = max(map(len, _WORDS.split(text))) <= WORD
            if text and not (wordy or _IDENTIFIER.match(text) or _templated(text)):
                known = heuristic.is_sequential_string(text)
                if not known and detector.calculate_shannon_entropy(text) > detector.entropy_limit:
                    yield text, _kind(detector)


def _templated(text: str) -> bool:
    from detect_secrets.filters import heuristic

    return bool(heuristic.is_templated_secret(text) or heuristic.is_prefixed_with_dollar_sign(text))


def _kind(detector: Any) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(detector.secret_type).lower()).strip("-")


@cache
def _vendors() -> tuple[Any, ...]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.plugins.base import RegexBasedDetector

    known = get_mapping_from_secret_type_to_class().values()
    chosen = [c() for c in known if issubclass(c, RegexBasedDetector)]
    return tuple(one for one in chosen if type(one).__name__ not in _SKIPPED)


@cache
def _entropy() -> tuple[Any, ...]:
    from detect_secrets.plugins import high_entropy_strings as entropy

    return entropy.Base64HighEntropyString(), entropy.HexHighEntropyString()
