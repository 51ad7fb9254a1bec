"""Backfill: which runs lack our tags, and stamping them, where the operator allows it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..collect import Backlog, Bare, MlflowStore, Place, Writer
from ..collect.backlog import PAGE
from ..context.afterwards import checked
from ..errors import BadInput, EvidenceError, NotFound, StoreRefused, StoreUnavailable, WriteBackOff
from ..storage import Principal

LOOKED = 10
"""Pages of the tracking store that one question looks through for a run to show."""


@dataclass(frozen=True)
class Asked:
    """Which runs to look at: of one experiment, or one by its id, or all that the caller sees."""

    experiment: str | None = None
    run_id: str | None = None
    cursor: str | None = None
    limit: int = PAGE


@dataclass(frozen=True)
class Unstamped:
    """A page of bare runs; it may be empty and still have a next one."""

    items: tuple[Bare, ...]
    next: str | None


def unstamped(store: MlflowStore, asked: Asked, caller: Principal) -> Unstamped:
    """The bare runs that the caller may see; NotFound, before MLflow is asked, where it can be."""
    if asked.run_id:
        _visible(store, asked.run_id, caller)
        found = Backlog(store).run(asked.run_id, {})
        return Unstamped((found,) if found else (), None)
    if asked.experiment and not caller.sees_experiment(asked.experiment):
        raise NotFound(f"the tracking store has no experiment {asked.experiment}", "check the name")
    backlog = Backlog(store)
    known = backlog.experiments(asked.experiment, caller.sees_experiment)
    start = _place(asked.cursor, known) if asked.cursor else None
    pages = backlog.pages(known, {}, start, asked.limit)
    try:
        for looked, (items, following) in enumerate(pages, 1):
            if items or looked == LOOKED:
                return Unstamped(tuple(items), _cursor(following) if following else None)
    except (StoreRefused, StoreUnavailable):
        raise
    except EvidenceError as error:
        if start is None:
            raise
        raise _foreign() from error  # MLflow does not know the page that it was asked for
    return Unstamped((), None)


def stamp(
    store: MlflowStore, run_id: str, values: Mapping[str, str], caller: Principal, allowed: bool
) -> dict[str, str]:
    """Stamp a bare run: the tags that it got, {} when it is stamped already.

    WriteBackOff, before MLflow is asked, unless it is `allowed`; NotFound for a foreign run.
    """
    if not allowed:
        said = "this service does not write into MLflow"
        raise WriteBackOff(said, "its operator can set EVIDENCE_SERVICE_WRITE_BACK=true")
    given = checked(values)
    _visible(store, run_id, caller)
    return Writer(store).stamp(run_id, given)


def _visible(store: MlflowStore, run_id: str, caller: Principal) -> None:
    if not caller.sees_experiment(store.experiment_of(run_id)):
        raise NotFound(f"the tracking store has no run {run_id}", "check the name")


def _cursor(place: Place) -> str:
    raw = json.dumps([place.experiment_id, place.token]).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _place(cursor: str, known: Mapping[str, str]) -> Place:
    """Where a page begins. Only what the caller sees is gone through, whatever it names."""
    try:
        found: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        experiment_id, token = found
    except (ValueError, TypeError, RecursionError) as error:
        raise _foreign() from error
    if not (isinstance(experiment_id, str) and (token is None or isinstance(token, str))):
        raise _foreign()
    if token is not None and experiment_id not in known:
        raise _foreign()
    return Place(experiment_id, token)


def _foreign() -> BadInput:
    mend = "ask without a cursor first, and change nothing but the cursor from page to page"
    return BadInput("the cursor is not one of this search", mend)
