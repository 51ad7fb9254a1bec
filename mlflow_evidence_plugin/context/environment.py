"""The environment artifact: what a run ran with, in full, as a small canonical document."""

from __future__ import annotations

import json
import platform
from typing import Any

from ..tags import ENV_DIGEST
from . import distributions
from .host import Host
from .secrecy import looks_secret
from .surroundings import surroundings

SCHEMA = "https://mlflow-evidence.dev/environment/v1"


def document(host: Host) -> dict[str, Any] | None:
    """What this process runs with; None where no distribution is installed, or one is odd.

    `digest` is that of the tag, and is made of `distributions`: their lines, each with its end.
    """
    digest, lines = distributions.digest(host).get(ENV_DIGEST), distributions.lines(host)
    if digest is None or any(looks_secret(line) for line in lines):
        return None
    told = {
        "schema": SCHEMA,
        "digest": digest,
        "distributions": lines,
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
        },
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
        },
    }
    return {**told, **surroundings(host)}


def canonical(told: dict[str, Any]) -> str:
    """The document's text: as RFC 8785 has it, since all values are text."""
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def path(told: dict[str, Any]) -> str:
    """The artifact's name. A store may take each name once, so that the digest is in it."""
    return f"evidence/environment-{told['digest'].removeprefix('sha256:')}.json"
