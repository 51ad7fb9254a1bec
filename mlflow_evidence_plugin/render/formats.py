"""Every format that evidence comes in. `Accept`, `--format` and docs/formats.md read this table.

Reading it needs nothing that is not in the base install; Jinja and matplotlib are imported when
something is rendered with them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput, NotFound
from ..statements.release import RELEASE_EVIDENCE
from .exhibit import Exhibit, predicate_type

ENVELOPE = "application/vnd.dsse.envelope.v1+json"
CYCLONEDX = "application/vnd.cyclonedx+json"


@dataclass(frozen=True)
class Renderer:
    """One format: its media type, its name for `--format`, its files' ending, how it is made."""

    media_type: str
    name: str
    suffix: str
    render: Callable[[Exhibit], bytes]

    @property
    def text(self) -> bool:
        """Whether it is text in UTF-8 that must say so."""
        return self.media_type.startswith("text/")


def as_kept(exhibit: Exhibit) -> bytes:
    """The bundle's own bytes, unchanged."""
    return exhibit.data


def as_markdown(exhibit: Exhibit) -> bytes:
    """For a change ticket."""
    from .markdown import markdown

    return markdown(exhibit)


def as_html(exhibit: Exhibit) -> bytes:
    """One file that stands alone."""
    from .html import html

    return html(exhibit)


def release_envelope(exhibit: Exhibit) -> bytes:
    """The signed envelope of the release statement, alone: what DSSE verifiers take."""
    for envelope in exhibit.document["statements"]:
        if predicate_type(envelope) == RELEASE_EVIDENCE:
            return _line(envelope)
    raise NotFound("the bundle has no release statement")


def statements(exhibit: Exhibit) -> bytes:
    """All signed envelopes, one a line: an in-toto attestation bundle.

    https://github.com/in-toto/attestation/blob/main/spec/v1/bundle.md
    """
    return b"".join(_line(one) + b"\n" for one in exhibit.document["statements"])


def ml_bom(exhibit: Exhibit) -> bytes:
    """The ML-BOM of the record, as the signed statement has it: nobody signed this file."""
    from ..record import canonical, read_kept
    from ..statements.bom import bom_document

    return canonical(bom_document(read_kept(canonical(exhibit.document["record"]))))


RENDERERS: tuple[Renderer, ...] = (
    Renderer("application/json", "json", "json", as_kept),
    Renderer("text/markdown", "markdown", "md", as_markdown),
    Renderer("text/html", "html", "html", as_html),
    Renderer(ENVELOPE, "dsse", "dsse.json", release_envelope),
    Renderer("application/vnd.in-toto.bundle", "in-toto", "intoto.jsonl", statements),
    Renderer(CYCLONEDX, "mlbom", "cdx.json", ml_bom),
)
"""In order of preference: who accepts several alike gets the first."""


def renderer(name: str) -> Renderer:
    """The format with this name; BadInput with the names that there are."""
    found = next((one for one in RENDERERS if one.name == name), None)
    if found is None:
        raise BadInput(
            f"there is no format {name!r}", "one of " + ", ".join(one.name for one in RENDERERS)
        )
    return found


def _line(envelope: Any) -> bytes:
    return json.dumps(envelope, separators=(",", ":"), sort_keys=True).encode()


__all__ = ["CYCLONEDX", "ENVELOPE", "RENDERERS", "Renderer", "renderer"]
