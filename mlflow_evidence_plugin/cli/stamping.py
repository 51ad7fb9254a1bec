"""What `doctor` says of stamping: what a run that starts here would carry, and on which paths."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..errors import EvidenceError
from ..tags import GOVERNANCE
from .checks import FAIL, OK, SKIPPED, WARN, Check, Place, missing_file

WANTED = ("owner", "ticket", "rollback", "monitoring")
"""Without these a reviewer cannot act on a run; the rest is good to have."""

NAMED = ("the store that is named was not opened", "look at the rows of the store; log a first run")
"""Of a path on a store that is not there yet, or that has no client here."""


def values(place: Place) -> Iterator[Check]:
    """Which value each tag would have, and from where."""
    from dataclasses import replace

    from ..context.host import observe
    from ..context.origins import origins

    host = observe()
    if place.tracking_uri:  # given here, it is what training would have as a variable
        host = replace(host, env={**host.env, "MLFLOW_TRACKING_URI": place.tracking_uri})
    found, problems = origins(host)
    for one in found:
        if one.value:
            yield Check(one.name, OK, f"{one.value}  (from {one.source})")
        else:
            state = WARN if one.name in WANTED else SKIPPED
            said = "not set" if one.name in GOVERNANCE else "not known"
            yield Check(one.name, state, said, one.mend)
    for problem in problems:
        yield Check("governance", WARN, f"{problem.subject} {problem.reason}", problem.mend)


def paths(place: Place) -> Iterator[Check]:
    """Whether runs are stamped, path by path, by what mlflow has here after it was imported."""
    from importlib.metadata import version

    from ..context.liveness import NO_STORE, paths, release, switched_off

    tested = release(version("mlflow-skinny"))
    yield Check(tested.name, OK if tested.live else WARN, tested.found, tested.mend)
    off = switched_off(os.environ)
    uri = _prepared(place.tracking_uri)
    for path in paths(uri, NAMED if place.tracking_uri else NO_STORE):
        if off and path.live is not None:
            yield Check(path.name, WARN, *off)
        else:
            state = SKIPPED if path.live is None else OK if path.live else FAIL
            yield Check(path.name, state, path.found, path.mend)


def _prepared(tracking_uri: str | None) -> str | None:
    """The address, once it may be opened here; None where that would make a store, or wait."""
    from ..collect import azure

    if not tracking_uri or missing_file(tracking_uri):
        return None
    try:
        azure.prepare(tracking_uri)
    except EvidenceError:  # told by the check of its client
        return None
    return tracking_uri
