"""The inventory: what the registry and the runs hold, whose it is, and what each lacks.

What there is the store is asked, since nobody else knows of what has no evidence; where the store
is away, what was captured is told, and that it is no more than that.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from ..collect import Backlog, Census, Listed
from ..errors import BadInput, EvidenceError, NotFound, StoreRefused, StoreUnavailable
from ..policy.decision import rfc3339
from ..record import Record, Subject
from ..render.inventory import groups
from ..snapshot import RunSnapshot, VersionSnapshot
from ..storage import Held, Holdings, Principal
from .capture import Capturing
from .deciding import Deciding
from .gathering import made_then
from .holding import Found, Holding, bare_run, shown

STORE, EVIDENCE = "store", "evidence"
"""Where the list comes from."""

MOST = 2000
"""Subjects that groups are made of."""

LOOKED = 10
"""Pages of the store that one question looks through for something to show."""

PATIENCE = 20.0
"""Seconds after which groups are made of what was found, however little it is."""

PAGE = 200
_VERSIONS, _RUNS = "versions", "runs"
_SEQUENCE = re.compile("[0-9]{1,18}")

Lines = list[dict[str, Any]]


@dataclass(frozen=True)
class Wanted:
    """What to list: lines that fit all that is given. Evidence of more than `days` is stale."""

    lacks: str | None = None
    owner: str | None = None
    cost_center: str | None = None
    model: str | None = None
    environment: str | None = None
    source: str = STORE
    days: int = 90
    limit: int = 50
    cursor: str | None = None

    def fits(self, line: dict[str, Any]) -> bool:
        """Whether a line is one of those."""
        asked = {name: getattr(self, name) for name in ("owner", "cost_center", "model")}
        if any(value is not None and line[name] != value for name, value in asked.items()):
            return False
        return self.lacks is None or self.lacks in line["lacks"]


@dataclass(frozen=True)
class _Place:
    """Where a page begins: among the versions, the runs of an experiment, or what was captured."""

    stage: str
    within: str | None = None
    token: str | None = None


@dataclass(frozen=True)
class Inventory:
    """Where the two sides come from: what there is, and what is known of it."""

    capturing: Capturing
    deciding: Deciding

    def page(self, wanted: Wanted, caller: Principal) -> dict[str, Any]:
        """`items, next, source, resolved_at`, and `problem` where the store could not be asked.

        A page may hold nothing and still have a next one. NotFound for a model that is not the
        caller's, or an environment that the policy has not; BadInput for a foreign cursor.
        """
        if wanted.model is not None and not caller.sees_model(wanted.model):
            raise NotFound(f"the tracking store has no model {wanted.model}", "check the name")
        if wanted.environment is not None:
            self.deciding.asked(wanted.environment)
        start = _read_cursor(wanted) if wanted.cursor else None
        if wanted.source == EVIDENCE or (start is not None and start.stage == EVIDENCE):
            return self._told(EVIDENCE, wanted, self._captured(wanted, caller, start))
        try:
            return self._told(STORE, wanted, self._listed(wanted, caller, start))
        except (StoreUnavailable, StoreRefused) as error:
            if start is not None:
                raise  # half of one list and half of another would be neither
            told = self._told(EVIDENCE, wanted, self._captured(wanted, caller, None))
            return told | {"problem": {"code": error.code, "detail": error.detail}}

    def grouped(self, wanted: Wanted, caller: Principal, by: str, most: int) -> dict[str, Any]:
        """The same by `owner` or `cost_center`: what each has, lacks and cost."""
        items: Lines = []
        last: dict[str, Any] = {"next": ""}
        problem, until = None, time.monotonic() + PATIENCE
        while last["next"] is not None and len(items) < most:
            asked = replace(wanted, cursor=last["next"] or None, limit=PAGE)
            last = self.page(asked, caller)
            items += last["items"]
            problem = problem or last["problem"]
            if time.monotonic() > until:
                break
        about = {name: last[name] for name in ("source", "resolved_at")}
        cut = last["next"] is not None or len(items) > most
        told = {"by": by, "items": groups(items[:most], by), "truncated": cut}
        return told | about | {"problem": problem}

    def _told(
        self, source: str, wanted: Wanted, found: tuple[Lines, _Place | None]
    ) -> dict[str, Any]:
        items, following = found
        return {
            "items": items,
            "next": _cursor(wanted, following) if following else None,
            "source": source,
            "problem": None,
            "resolved_at": rfc3339(self.capturing.now()),
        }

    def _listed(
        self, wanted: Wanted, caller: Principal, start: _Place | None
    ) -> tuple[Lines, _Place | None]:
        place: _Place | None = start or _Place(_VERSIONS)
        items: Lines = []
        for _ in range(LOOKED):
            if items or place is None:
                break
            try:
                items, place = self._sheet(wanted, caller, place)
            except (StoreRefused, StoreUnavailable):
                raise
            except EvidenceError as error:
                if place is not start:
                    raise
                raise _foreign() from error  # MLflow does not know the page it was asked for
        return items, place

    def _sheet(
        self, wanted: Wanted, caller: Principal, place: _Place
    ) -> tuple[Lines, _Place | None]:
        census = Census(self.capturing.store)
        if place.stage == _VERSIONS:
            listed, token = census.versions(wanted.model, place.token, wanted.limit)
            mine = [one for one in listed if caller.sees_model(_model(one))]
            items = self._lines(mine, self._sources(census, mine), wanted, caller)
            if token:
                return items, _Place(_VERSIONS, None, token)
            return items, None if wanted.model else _Place(_RUNS)
        known = Backlog(self.capturing.store).experiments(None, caller.sees_experiment)
        ids = [one for one in known if place.within is None or one >= place.within]
        if place.token and ids[:1] != [place.within]:
            raise _foreign()
        if not ids:
            return [], None
        listed, token = census.runs((ids[0], known[ids[0]]), place.token, wanted.limit)
        items = self._lines(listed, {}, wanted, caller)
        if token:
            return items, _Place(_RUNS, ids[0], token)
        return items, _Place(_RUNS, ids[1]) if len(ids) > 1 else None

    def _sources(self, census: Census, listed: Sequence[Listed]) -> dict[str, RunSnapshot | None]:
        """The source runs of versions: they say whose an uncaptured one is, and who may see it."""
        ids = sorted({found for one in listed if (found := one.of.run_id)})
        with ThreadPoolExecutor(self.capturing.store.readers, "inventory") as pool:
            return dict(zip(ids, pool.map(census.run, ids), strict=True))

    def _lines(
        self,
        listed: Sequence[Listed],
        sources: dict[str, RunSnapshot | None],
        wanted: Wanted,
        caller: Principal,
    ) -> Lines:
        salt, holding = self.capturing.store_id, self._holding(wanted)
        clean = [shown(one, salt) for one in listed]
        known = self._holdings.newest([_subject(one) for one in clean], self._now())
        lines = []
        for one in clean:
            source = one.of if isinstance(one.of, RunSnapshot) else sources.get(one.of.run_id or "")
            held = known.get(_subject(one))
            if caller.sees(_model(one), _experiment(one, source, held)):
                run = bare_run(source, salt) if source else None
                lines.append(holding.line(Found(one, run, held, _record(one, held, caller))))
        return [one for one in lines if wanted.fits(one)]

    def _captured(
        self, wanted: Wanted, caller: Principal, start: _Place | None
    ) -> tuple[Lines, _Place | None]:
        before = int(start.token) if start and start.token else None
        asked = (caller.view, wanted.model, before, wanted.limit)
        rows, last = self._holdings.page(*asked, self._now())
        holding = self._holding(wanted)
        known = [(one, record) for one in rows if (record := one.record())]
        lines = [holding.line(Found(None, None, one, record)) for one, record in known]
        following = _Place(EVIDENCE, None, str(last)) if last is not None else None
        return [one for one in lines if wanted.fits(one)], following

    def _holding(self, wanted: Wanted) -> Holding:
        return Holding(self.deciding, wanted.days, wanted.environment)

    @property
    def _holdings(self) -> Holdings:
        return Holdings(self.capturing.database, self.capturing.store_id)

    def _now(self) -> str:
        return rfc3339(self.capturing.now())


def _record(one: Listed, held: Held | None, caller: Principal) -> Record | None:
    """The evidence of what is listed: not of an earlier namesake, and the caller's to see."""
    record = held.record() if held else None
    if record is None or not caller.sees(record.subject.model, record.experiment):
        return None
    created = one.of.created if isinstance(one.of, VersionSnapshot) else None
    return record if made_then(record, created or 0) else None


def _experiment(one: Listed, source: RunSnapshot | None, held: Held | None) -> str | None:
    """Whose run it came from, by the run, or where that is gone by the evidence; None for no run.

    "" where nobody knows: then it is for those alone who may see every experiment.
    """
    if source is not None:
        return source.experiment
    if not one.of.run_id:
        return None
    record = held.record() if held else None
    return (record.experiment if record else None) or ""


def _model(one: Listed) -> str | None:
    return one.of.name if isinstance(one.of, VersionSnapshot) else None


def _subject(one: Listed) -> str:
    if isinstance(one.of, VersionSnapshot):
        return Subject("", model=one.of.name, version=one.of.version).name
    return Subject("", run_id=one.of.run_id).name


def _seal(wanted: Wanted) -> str:
    told = vars(wanted) | {"cursor": None, "limit": None}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]


def _cursor(wanted: Wanted, place: _Place) -> str:
    raw = json.dumps([_seal(wanted), place.stage, place.within, place.token]).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read_cursor(wanted: Wanted) -> _Place:
    cursor = wanted.cursor or ""
    try:
        found: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        seal, *parts = found
        place = _Place(*parts)
    except (ValueError, TypeError, RecursionError) as error:
        raise _foreign() from error
    texts = all(part is None or isinstance(part, str) for part in parts)
    if not texts or seal != _seal(wanted) or place.stage not in (_VERSIONS, _RUNS, EVIDENCE):
        raise _foreign()
    if place.stage == EVIDENCE and not _SEQUENCE.fullmatch(place.token or ""):
        raise _foreign()
    return place


def _foreign() -> BadInput:
    mend = "ask without a cursor first, and change nothing but the cursor from page to page"
    return BadInput("the cursor is not one of this search", mend)
