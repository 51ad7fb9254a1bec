"""Where this service is found."""

from __future__ import annotations

from flask import current_app, request

PUBLIC_URL = "PUBLIC_URL"


def own_address() -> str:
    """With a slash at its end: what the operator says (EVIDENCE_SERVICE_PUBLIC_URL).

    Else what the request says, which its sender wrote, and which knows no proxy that ends TLS.
    """
    told: str | None = current_app.config.get(PUBLIC_URL)
    return f"{told}/" if told else f"{request.scheme}://{request.host}/"


def page_of(record: str | None, address: str) -> str | None:
    """The page on which people read a record, at this address of the service; None without one."""
    return f"{address}bundles/{record}" if record else None
