"""Whether runs are stamped here: by looking at what mlflow has in this process; for `doctor`.

Nothing is logged, and nothing is asked of a server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..tags import HEADER
from .host import SERVER_MARK, active, environment, logs_environment
from .provider import EvidenceContextProvider, EvidenceHeaderProvider
from .seams import FLUENT, MARK, REGISTRY

OLDEST, NEWEST = "2.22", "3.17"
"""The releases of mlflow that the tests cover."""

CONTEXT = ("mlflow.tracking.context.registry", "_run_context_provider_registry")
REQUESTS = ("mlflow.tracking.request_header.registry", "_request_header_provider_registry")
OVER_HTTP = ("http", "https", "azureml", "databricks")
NO_STORE = ("no store to look at", "set MLFLOW_TRACKING_URI; log a first run")

_UPDATE = "update mlflow-evidence-plugin, or use an mlflow that it knows"
_INSTALL = "pip install mlflow-evidence-plugin into this environment, beside its mlflow"


@dataclass(frozen=True)
class Path:
    """One way of logging. `live` is None where there is nothing to say: `found` tells why."""

    name: str
    live: bool | None
    found: str
    mend: str = ""


def release(version: str) -> Path:
    """Whether the tests cover this mlflow."""
    if _number(OLDEST) <= _number(version) <= _number(NEWEST):
        return Path("mlflow", True, f"{version}, which is tested")
    mend = f"use mlflow {OLDEST} to {NEWEST}, or look closely at the paths here"
    return Path("mlflow", False, f"{version}: tested are {OLDEST} to {NEWEST}", mend)


def switched_off(env: Mapping[str, str]) -> tuple[str, str] | None:
    """Why nothing is stamped in this process, and how to change that; None where it is."""
    if active(env):
        return None
    if SERVER_MARK in env:
        return f"off: {SERVER_MARK} marks a process of `mlflow server`", f"unset {SERVER_MARK}"
    return "off: EVIDENCE_DISABLED", "unset EVIDENCE_DISABLED to stamp runs again"


def paths(tracking_uri: str | None, unopened: tuple[str, str] = NO_STORE) -> Iterator[Path]:
    """Each path on a store; without one only those that need none, and `unopened` of the others.

    That is why there is no store to look at, and what to do.
    """
    store = _store(tracking_uri) if tracking_uri else unopened
    yield _fluent()
    yield _made(store, "create_run", "client runs")
    yield _resumed(store)
    yield _logged_models(store)
    yield _headers(tracking_uri or "")
    yield from _job(environment())
    yield _artifact(environment())


def _fluent() -> Path:
    name = "fluent runs"
    if any(isinstance(one, EvidenceContextProvider) for one in _part(*CONTEXT) or ()):
        return Path(name, True, "stamped: mlflow asks the plugin's context provider")
    return Path(name, False, "not stamped: mlflow has not registered the plugin", _INSTALL)


def _made(store: Any, function: str, name: str) -> Path:
    return _unknown(store, name) or _watched(
        name, getattr(store, function, None), f"{function} of {type(store).__name__}"
    )


def _resumed(store: Any) -> Path:
    name = "resumed runs"  # they are watched from the first store on that is opened
    return _unknown(store, name) or _watched(
        name, getattr(_part(*FLUENT), "__init__", None), FLUENT[1]
    )


def _unknown(store: Any, name: str) -> Path | None:
    if isinstance(store, tuple):
        return Path(name, None, *store)
    if isinstance(store, Exception):
        return Path(name, None, f"the store could not be opened ({type(store).__name__})")
    return None


def _logged_models(store: Any) -> Path:
    name, function = "logged models", "create_logged_model"
    if _part("mlflow.entities", "LoggedModel") is None:
        return Path(name, None, "this mlflow has none")
    return _made(store, function, name)


def _watched(name: str, function: Callable[..., Any] | None, what: str) -> Path:
    if hasattr(function, MARK):
        return Path(name, True, f"stamped: {what} is watched")
    return Path(name, False, f"not stamped: {what} is not watched", _UPDATE)


def _headers(tracking_uri: str) -> Path:
    name = "headers"
    if tracking_uri.partition(":")[0] not in OVER_HTTP:
        return Path(name, None, "only a store that is reached over HTTP gets them")
    ours = [one for one in _part(*REQUESTS) or () if isinstance(one, EvidenceHeaderProvider)]
    if not ours:
        return Path(name, False, "not sent: mlflow has not registered the plugin", _INSTALL)
    said = ours[0].request_headers().get(HEADER)
    if said is None:
        return Path(name, None, f"no {HEADER}: nothing that it carries is known", "set an owner")
    return Path(name, True, f"{HEADER}: {said}")


def _job(env: Mapping[str, str]) -> Iterator[Path]:
    name, job, run = "azure ml job", env.get("AZUREML_RUN_ID"), env.get("MLFLOW_RUN_ID")
    if job is None:
        return
    if job == run:
        said = f"{job} is resumed here, and stays RUNNING until the platform ends it"
        yield Path(name, True, said)
    else:
        mend = "leave both variables as Azure ML sets them"
        yield Path(name, False, "MLFLOW_RUN_ID is not the job's AZUREML_RUN_ID", mend)


def _artifact(env: Mapping[str, str]) -> Path:
    on = logs_environment(env)
    mend = "" if on else "set EVIDENCE_LOG_ENVIRONMENT=1 where it trains, to have it logged"
    return Path("environment artifact", on or None, "logged for each run" if on else "off", mend)


def _store(tracking_uri: str) -> Any:
    """What mlflow itself opens for an address, or the error that it raised."""
    try:
        return import_module(REGISTRY[0]).__dict__[REGISTRY[1]].get_store(tracking_uri)
    except Exception as error:
        return error


def _part(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name, None)
    except ImportError:
        return None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
