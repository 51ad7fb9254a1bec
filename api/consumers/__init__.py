"""Systems that ask for verdicts in their own words. A consumer is a module, and its line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from flask_smorest import Api

from mlflow_evidence_plugin.service import Evidence
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.wiring import linking, told_consumers

from . import azure_devops, flagger, gatekeeper, github, gitlab, jira, mlflow, servicenow
from .options import Options, read
from .runtime import EXTENSION, Consumers
from .telling import Telling

CONSUMERS: tuple[Any, ...] = (
    azure_devops,
    github,
    gitlab,
    flagger,
    gatekeeper,
    mlflow,
    servicenow,
    jira,
)
"""Each with `NAME`, the `OPTIONS` of its part of the file, its `SCHEMES` and its views, `bp`.

`OPTIONS` is None for those that are let in by their address, which need no file.
"""

SECTIONS: dict[str, type[Options]] = {one.NAME: one.OPTIONS for one in CONSUMERS if one.OPTIONS}


def configured(settings: Settings) -> Consumers:
    """The consumers that the settings name; BadConfig."""
    text = told_consumers(settings)
    return Consumers(read(text, SECTIONS) if text is not None else {})


def teller(settings: Settings, evidence: Evidence) -> Callable[[], None] | None:
    """What tells others of verdicts that have changed; None where nobody is to be told."""
    found = configured(settings).sections
    systems = {name: found[name] for name in (servicenow.NAME, jira.NAME) if name in found}
    links = linking(settings, evidence)
    if not systems and links is None:
        return None
    return Telling(evidence, systems, links, settings.public_url).catch_up


def install(app: Flask, api: Api, consumers: Consumers) -> None:
    """Serve the checks, and document them."""
    app.extensions[EXTENSION] = consumers
    for one in CONSUMERS:
        for name, scheme in one.SCHEMES.items():
            api.spec.components.security_scheme(name, scheme)
        api.register_blueprint(one.bp, url_prefix="/v1")


__all__ = ["CONSUMERS", "Consumers", "configured", "install", "teller"]
