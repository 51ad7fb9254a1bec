"""The tracking store that `run`, `model` and `store` look at."""

from __future__ import annotations

import os
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from .options import NO_STORE, Command

if TYPE_CHECKING:
    from ..collect import Catalogue


def bound_options(command: Command) -> Command:
    """`--max-results` and `--all`; the command gets both as `most`, None for no bound."""

    @click.option("--max-results", type=click.IntRange(1), default=50, show_default=True)
    @click.option("--all", "everything", is_flag=True, help="However many there are.")
    @wraps(command)
    def bounded(*args: Any, max_results: int, everything: bool, **options: Any) -> Any:
        return command(*args, most=None if everything else max_results, **options)

    return bounded


def catalogue(tracking_uri: str | None, mend: str = NO_STORE) -> Catalogue:
    """What lists the store that is named, here or by MLflow's variable; BadConfig when none is."""
    from ..collect import Catalogue, MlflowStore, Roots
    from ..settings import MLFLOW_CLIENT, Settings

    named = {"EVIDENCE_SERVICE_TRACKING_URI": tracking_uri} if tracking_uri else {}
    settings = Settings.read({**os.environ, **named})
    settings.need_store(mend)
    for name, value in MLFLOW_CLIENT.items():
        os.environ.setdefault(name, value)
    uri, registry = settings.tracking_uri, settings.registry_uri
    roots = Roots(settings.artifact_roots) if settings.artifact_roots else Roots.of_store(uri)
    store = MlflowStore(uri, registry, roots, settings.scratch_bytes)
    shown = Settings.read({"MLFLOW_TRACKING_URI": uri}).store_id
    return Catalogue(store, shown, settings.scratch_bytes)
