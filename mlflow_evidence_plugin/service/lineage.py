"""From a run to the models that were made of it: the registry's word, and what evidence knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..collect import MlflowStore, RegisteredVersion
from ..errors import EvidenceError, NotFound, StoreRefused, StoreUnavailable
from ..policy.decision import rfc3339
from ..storage import Bundles, Filters, Listing, Principal

MOST = 1000
"""Bundles that are looked through for the models of one run."""


@dataclass(frozen=True)
class RunModels:
    """The model versions of a run.

    Each item: `model, version, stage, aliases, registered, digest`. Where the registry could not
    be asked, `problem` says why, and what only it knows is None.
    """

    items: tuple[dict[str, Any], ...]
    resolved_at: str
    problem: EvidenceError | None


def models_of(
    store: MlflowStore, bundles: Bundles, run_id: str, caller: Principal, now: datetime
) -> RunModels:
    """The model versions that came from a run; NotFound for a run that is not the caller's."""
    kept = bundles.search(Filters(run_id=run_id), caller.view, None, MOST).items
    captured = {
        (one.model, one.version): _newest(bundles, one, caller)
        for one in {one.subject: one for one in reversed(kept)}.values()
        if one.model and one.version
    }
    registered: list[RegisteredVersion] = []
    problem: EvidenceError | None = None
    asked = True
    try:
        if not caller.sees_experiment(store.experiment_of(run_id)):
            raise NotFound(f"the tracking store has no run {run_id}", "check the name")
        registered = store.versions_of(run_id)
    except NotFound:
        if not kept:
            raise
        asked = False  # the run is gone, or its experiment is no longer the caller's
    except (StoreUnavailable, StoreRefused) as error:
        if not kept:
            raise
        problem, asked = error, False
    live = {(one.model, one.version): one for one in registered if caller.sees_model(one.model)}
    items = tuple(
        _item(key, live.get(key), captured.get(key), asked) for key in sorted({*live, *captured})
    )
    return RunModels(items, rfc3339(now), problem)


def _newest(bundles: Bundles, found: Listing, caller: Principal) -> str:
    """The digest of what was seen last: a version that is again as it was has its older record."""
    last = bundles.latest(found.subject)
    return last.digest if caller.sees(last.model, last.experiment) else found.digest


def _item(
    key: tuple[str, str],
    live: RegisteredVersion | None,
    digest: str | None,
    asked: bool,
) -> dict[str, Any]:
    return {
        "model": key[0],
        "version": key[1],
        "stage": live.stage if live else None,
        "aliases": list(live.aliases) if live else [] if asked else None,
        "registered": live is not None if asked else None,
        "digest": digest,
    }
