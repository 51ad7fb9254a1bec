"""Is everything set up right here: the plugin, stamping, the tracking store, the service."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

import click

from ..errors import EvidenceError
from .checks import (
    FAIL,
    SKIPPED,
    Check,
    Place,
    azure_ml,
    plugin,
    service,
    service_home,
    tracking_store,
)
from .options import output_options, place_options
from .output import Output
from .stamping import paths, values

CHECKS: dict[str, Callable[[Place], Iterator[Check]]] = {
    "plugin": plugin,
    "governance": values,
    "azure ml": azure_ml,
    "tracking store": tracking_store,
    "stamping": paths,
    "service": service,
    "service home": service_home,
}
"""What each is called where it breaks itself."""


@click.command()
@output_options
@place_options
def doctor(out: Output, url: str | None, tracking_uri: str | None) -> None:
    """Check the plugin, stamping, the store and the service. Exit code 1 if something fails."""
    place = Place(url, tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"))
    checks = [check for name, look in CHECKS.items() for check in _fenced(name, look, place)]
    out.show([vars(check) for check in checks], _rows, ("check", "", ""))
    if any(check.state == FAIL for check in checks):
        sys.exit(1)


def _rows(checks: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    rows = []
    for check in checks:
        rows.append((check["name"], check["state"], check["found"]))
        if check["mend"]:
            rows.append(("", "", f"  mend: {check['mend']}"))
    return rows


def _fenced(name: str, look: Callable[[Place], Iterator[Check]], place: Place) -> list[Check]:
    """A check that breaks is a finding too, and the others still run."""
    done: list[Check] = []
    try:
        done.extend(look(place))
    except EvidenceError as error:
        done.append(Check(name, FAIL, error.detail, error.mend))
    except ImportError as error:
        mend = "pip install 'mlflow-evidence-plugin[report]' to check this too"
        done.append(Check(name, SKIPPED, f"{error.name} is not installed", mend))
    return done
