"""What `doctor` looks at besides stamping: the plugin, the tracking store, the service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING

from ..errors import Forbidden, NoPolicy, NotFound

if TYPE_CHECKING:
    from ..client import EvidenceClient
    from ..collect import MlflowStore

OK, WARN, FAIL, SKIPPED = "ok", "warn", "fail", "skipped"
GROUPS = ("mlflow.run_context_provider", "mlflow.request_header_provider")


@dataclass(frozen=True)
class Check:
    """One thing looked at: how it is, what was found, and how to mend it."""

    name: str
    state: str
    found: str
    mend: str = ""


@dataclass(frozen=True)
class Place:
    """What is to be looked at: a service, a tracking store, or neither."""

    url: str | None
    tracking_uri: str | None


def plugin(_: Place) -> Iterator[Check]:
    """MLflow finds the plugin by its entry points."""
    from ..context.liveness import switched_off

    missing = [group for group in GROUPS if "evidence" not in entry_points(group=group).names]
    ours = version("mlflow-evidence-plugin")
    if missing:
        mend = "install it into the environment that trains: pip install mlflow-evidence-plugin"
        yield Check("plugin", FAIL, f"not registered: {', '.join(missing)}", mend)
    elif off := switched_off(os.environ):
        yield Check("plugin", WARN, f"version {ours}, {off[0]}", off[1])
    else:
        yield Check("plugin", OK, f"version {ours}")


def azure_ml(place: Place) -> Iterator[Check]:
    """An Azure ML workspace needs a client of its own, and an identity."""
    from ..collect import azure

    if not place.tracking_uri or not azure.is_workspace(place.tracking_uri):
        return
    yield Check("azure ml client", OK, f"azureml-mlflow {azure.client_version()}")
    _store(place.tracking_uri)[0].identify()
    yield Check("azure identity", OK, "found")


def tracking_store(place: Place) -> Iterator[Check]:
    """The store answers, to this identity."""
    if not place.tracking_uri:
        yield Check("tracking store", SKIPPED, "none named", "set MLFLOW_TRACKING_URI")
        return
    store, shown = _store(place.tracking_uri)
    if missing_file(place.tracking_uri):
        yield Check("tracking store", WARN, f"{shown} is not there yet", "the first run makes it")
        return
    store.ping()
    yield Check("tracking store", OK, f"{shown} answers")


def missing_file(tracking_uri: str) -> bool:
    """Whether the store is a local one that is not there: mlflow would make it if it was asked."""
    from ..collect.catalogue import local_store

    path = local_store(tracking_uri)
    return path is not None and not path.exists()


def service(place: Place) -> Iterator[Check]:
    """The service answers, to this token."""
    if not place.url:
        yield Check("service", SKIPPED, "none named", "set EVIDENCE_URL and EVIDENCE_TOKEN")
        return
    from ..client import EvidenceClient
    from .backend import token_of

    client = EvidenceClient(place.url, token_of("EVIDENCE_TOKEN"))
    client.check()
    yield Check("service", OK, f"{place.url} answers, and takes the token")
    yield _policy_of(client)


def _policy_of(client: EvidenceClient) -> Check:
    """The policy that the service judges by, as far as this token may ask."""
    name = "service policy"
    try:
        return Check(name, OK, client.policy())
    except NoPolicy:
        mend = "set EVIDENCE_SERVICE_POLICY_FILE where the service runs; see docs/policy.md"
        return Check(name, WARN, "the service has none, so that it allows no release", mend)
    except (Forbidden, NotFound):
        mend = "ask with a token that has the scope evidence:read"
        return Check(name, SKIPPED, "not asked: this token may not read it", mend)


def service_home(place: Place) -> Iterator[Check]:
    """A service with this shell's settings: its key, database and policy."""
    from ..settings import PREFIX, Settings

    settings = Settings.read()
    configured = any(name.startswith(PREFIX) for name in os.environ)
    if not configured and not settings.home.exists():
        yield Check("service home", SKIPPED, "no service is configured on this machine")
        return
    from .. import wiring

    for name, found, mend in wiring.inspect(settings):
        if mend and place.url:
            said = f"none in this shell's settings; {place.url} goes by its own"
            yield Check(name, SKIPPED, said)
        else:
            yield Check(name, WARN if mend else OK, found, mend)


def _store(tracking_uri: str) -> tuple[MlflowStore, str]:
    from ..collect import MlflowStore, Roots
    from ..settings import MLFLOW_CLIENT, Settings

    for name, value in MLFLOW_CLIENT.items():
        os.environ.setdefault(name, value)
    settings = Settings.read({"MLFLOW_TRACKING_URI": tracking_uri})
    return MlflowStore(tracking_uri, None, Roots(()), settings.scratch_bytes), settings.store_id
