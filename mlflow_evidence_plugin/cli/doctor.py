"""Is everything set up right here: the plugin, the tracking store, the service."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING

import click

from .. import tags
from ..errors import EvidenceError
from .options import output_options, place_options
from .output import Output

if TYPE_CHECKING:
    from ..collect import MlflowStore

OK, WARN, FAIL, SKIPPED = "ok", "warn", "fail", "skipped"
GROUPS = ("mlflow.run_context_provider", "mlflow.request_header_provider")
WANTED = ("owner", "ticket", "rollback", "monitoring")
"""Without these a reviewer cannot act on a run; the rest is good to have."""


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


@click.command()
@output_options
@place_options
def doctor(out: Output, url: str | None, tracking_uri: str | None) -> None:
    """Check the plugin, the tracking store and the service. Exit code 1 if something fails."""
    place = Place(url, tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"))
    checks = [check for look in CHECKS for check in _fenced(look, place)]
    out.show([vars(check) for check in checks], _rows, ("check", "", ""))
    if any(check.state == FAIL for check in checks):
        sys.exit(1)


def plugin(_: Place) -> Iterator[Check]:
    """MLflow finds the plugin by its entry points."""
    missing = [group for group in GROUPS if "evidence" not in entry_points(group=group).names]
    ours = version("mlflow-evidence-plugin")
    if missing:
        mend = "install it into the environment that trains: pip install mlflow-evidence-plugin"
        yield Check("plugin", FAIL, f"not registered: {', '.join(missing)}", mend)
    elif not _on(os.environ):
        mend = "unset EVIDENCE_DISABLED to stamp runs again"
        yield Check("plugin", WARN, f"version {ours}, turned off by EVIDENCE_DISABLED", mend)
    else:
        yield Check("plugin", OK, f"version {ours}, beside mlflow {_mlflow()}")


def governance(_: Place) -> Iterator[Check]:
    """Which values a run that starts here would carry, and from where."""
    from ..context.governance import misspelt, read
    from ..context.host import observe

    host = observe()
    found = read(host)
    for name in tags.GOVERNANCE:
        if name in found.values:
            one = found.values[name]
            yield Check(name, OK, f"{one.value}  (from {one.source})")
        elif name in WANTED:
            mend = f"set EVIDENCE_{name.upper()}, or {name} in evidence.toml"
            yield Check(name, WARN, "not set", mend)
    for problem in (*found.problems, *misspelt(host)):
        yield Check("governance", WARN, f"{problem.subject} {problem.reason}", problem.mend)


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
    store.ping()
    yield Check("tracking store", OK, f"{shown} answers")


def _store(tracking_uri: str) -> tuple[MlflowStore, str]:
    from ..collect import MlflowStore, Roots
    from ..settings import MLFLOW_CLIENT, Settings

    for name, value in MLFLOW_CLIENT.items():
        os.environ.setdefault(name, value)
    settings = Settings.read({"MLFLOW_TRACKING_URI": tracking_uri})
    return MlflowStore(tracking_uri, None, Roots(()), settings.scratch_bytes), settings.store_id


def service(place: Place) -> Iterator[Check]:
    """The service answers, to this token."""
    if not place.url:
        yield Check("service", SKIPPED, "none named", "set EVIDENCE_URL and EVIDENCE_TOKEN")
        return
    from .backend import Remote

    Remote(place.url).check()
    yield Check("service", OK, f"{place.url} answers, and takes the token")


def service_home(_: Place) -> Iterator[Check]:
    """This machine's own service: its key, database and policy."""
    from ..settings import PREFIX, Settings

    settings = Settings.read()
    configured = any(name.startswith(PREFIX) for name in os.environ)
    if not configured and not settings.home.exists():
        yield Check("service home", SKIPPED, "no service is configured on this machine")
        return
    from .. import wiring

    for name, found, mend in wiring.inspect(settings):
        yield Check(name, WARN if mend else OK, found, mend)


CHECKS: tuple[Callable[[Place], Iterator[Check]], ...] = (
    plugin,
    governance,
    azure_ml,
    tracking_store,
    service,
    service_home,
)


def _rows(checks: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    rows = []
    for check in checks:
        rows.append((check["name"], check["state"], check["found"]))
        if check["mend"]:
            rows.append(("", "", f"  mend: {check['mend']}"))
    return rows


def _fenced(look: Callable[[Place], Iterator[Check]], place: Place) -> list[Check]:
    """A check that breaks is a finding too, and the others still run."""
    done: list[Check] = []
    name = look.__name__.replace("_", " ")
    try:
        done.extend(look(place))
    except EvidenceError as error:
        done.append(Check(name, FAIL, error.detail, error.mend))
    except ImportError as error:
        mend = "pip install 'mlflow-evidence-plugin[report]' to check this too"
        done.append(Check(name, SKIPPED, f"{error.name} is not installed", mend))
    return done


def _on(env: os._Environ[str]) -> bool:
    from ..context.host import active

    return active(env)


def _mlflow() -> str:
    for name in ("mlflow", "mlflow-skinny"):
        if entry := _version(name):
            return entry
    return "(not installed)"


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError

    try:
        return version(name)
    except PackageNotFoundError:
        return None
