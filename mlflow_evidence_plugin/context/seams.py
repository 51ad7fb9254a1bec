"""Runs that MLflow asks no context provider about: made by its client, and resumed ones.

Two places see all of them, on every store: `create_run` of the store that a process has opened,
and `ActiveRun`, through which the fluent interface resumes. Both are wrapped in this process, at
the first store that it opens. The only room of `context` that touches mlflow, and only then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import BoundArguments, signature
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .. import tags
from .host import active, environment
from .notices import Problem, log, tell
from .room import SPARE, fitting, most_tags

if TYPE_CHECKING:
    from .process import Process

REGISTRY = ("mlflow.tracking._tracking_service.utils", "_tracking_store_registry")
FLUENT = ("mlflow.tracking.fluent", "ActiveRun")
RESUME = "resume"

MARK = "__evidence__"
"""On what we wrapped: other libraries wrap the same functions."""

UNKNOWN = "unknown"

WHO = (
    "owner",
    "team",
    "environment",
    "ticket",
    "git.commit",
    "ci.url",
    "ci.run",
    "image",
    "host",
)
"""What tells one resumer from another, and is kept of the latest one."""


def install() -> None:
    """Watch the stores that this process opens from now on.

    Called within `import mlflow`, where only the registry of stores is complete: the one object
    that is replaced there is its `get_store`, on the instance, once.
    """
    if not active(environment()):
        return
    registry = _found(*REGISTRY)
    if registry is None or "get_store" in vars(registry):
        return
    opened = registry.get_store

    @wraps(opened)
    def get_store(*args: Any, **kwargs: Any) -> Any:
        store = opened(*args, **kwargs)
        try:
            _watch(store)
        except Exception:  # the run matters more than our evidence
            log.debug("evidence: a store is not watched", exc_info=True)
        return store

    registry.get_store = get_store


def _watch(store: Any) -> None:
    create = getattr(store, "create_run", None)
    if create is None:
        _moved("create_run of the store")
    elif not _ours(create):
        store.create_run = _creating(create, most_tags(store))
    run = _found(*FLUENT)
    if run is not None and not _ours(run.__init__):
        run.__init__ = _resuming(run.__init__)


def _marked(wrapper: Callable[..., Any]) -> Callable[..., Any]:
    setattr(wrapper, MARK, True)
    return wrapper


def _ours(function: Any) -> bool:
    """Whether it is our wrapper, or somebody else's around ours: `wraps` hands the mark on."""
    return hasattr(function, MARK)


def _creating(create: Callable[..., Any], most: int | None) -> Callable[..., Any]:
    """A store's `create_run` that adds the tags which nobody gave, `most` of them in all."""
    form = signature(create)
    if "tags" not in form.parameters:
        _moved("the tags of create_run")
        return create

    @wraps(create)
    def create_run(*args: Any, **kwargs: Any) -> Any:
        try:
            args, kwargs = _with_tags(form.bind(*args, **kwargs), most)
        except Exception:  # as above
            log.debug("evidence: a run is created without our tags", exc_info=True)
        run = create(*args, **kwargs)
        try:
            _process().made(run.info.run_id)
        except Exception:  # as above
            log.debug("evidence: a created run is not remembered", exc_info=True)
        return run

    return _marked(create_run)


def _process() -> Process:
    from .process import current  # at the first run: `import mlflow` must not pay for it

    return current()


def _with_tags(given: BoundArguments, most: int | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    there = list(given.arguments.get("tags") or ())
    names = {tag.key for tag in there}
    by_provider = tags.STAMPED_BY in names  # whom the fluent interface has asked
    if not by_provider or (most is not None and len(names) > most - SPARE):
        from mlflow.entities import RunTag

        mine = _process().tags()
        theirs = [tag for tag in there if mine.get(tag.key) != tag.value]
        names = {tag.key for tag in theirs}
        new = {name: value for name, value in mine.items() if name not in names}
        ours = fitting(new, names, most)
        given.arguments["tags"] = theirs + [RunTag(name, value) for name, value in ours.items()]
    return given.args, given.kwargs


def _resuming(begin: Callable[..., None]) -> Callable[..., None]:
    """`ActiveRun.__init__`, which also stamps a run that this process did not create."""

    @wraps(begin)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        try:
            process = _process()
            if not process.has_made(self.info.run_id):
                _stamp(self, process.tags())
                process.made(self.info.run_id)
        except Exception:  # as above: a store may refuse tags and still keep the run
            problem = Problem("a resumed run", "could not be stamped", "See the debug log")
            log.debug("evidence: %s", problem, exc_info=True)
            tell(problem)

    return _marked(__init__)


def _stamp(run: Any, mine: Mapping[str, str]) -> None:
    """One request at the most, and none for a run that says all this already."""
    there = run.data.tags
    if not mine:
        return
    if tags.STAMPED_BY in there:
        said = _resumer(there, mine)
    else:
        said = {k: v for k, v in {**mine, tags.STAMPED_BY: RESUME}.items() if k not in there}
    said = fitting(said, there, most_tags(_found(*REGISTRY).get_store()))
    if said:
        from mlflow import MlflowClient
        from mlflow.entities import RunTag

        batch = [RunTag(name, value) for name, value in said.items()]
        MlflowClient().log_batch(run.info.run_id, tags=batch)
        there.update(said)


def _resumer(there: Mapping[str, str], mine: Mapping[str, str]) -> dict[str, str]:
    """Who resumes, where that is somebody else than who was there before; else nothing.

    All names are said, so that nothing of an earlier resumer is left to be mistaken for this one.
    """
    before = {name: there.get(tags.RESUMED_PREFIX + name) for name in WHO}
    if not any(before.values()):
        before = {name: there.get(tags.PREFIX + name) for name in WHO}
    me = {name: mine.get(tags.PREFIX + name, UNKNOWN) for name in WHO}
    if all(me[name] == (before[name] or UNKNOWN) for name in WHO):
        return {}
    return {tags.RESUMED_PREFIX + name: value for name, value in me.items()}


def _found(module: str, name: str) -> Any:
    """A part of mlflow that is loaded by now; None, and one warning, if it has moved."""
    loaded: ModuleType | None = sys.modules.get(module)
    part = getattr(loaded, name, None)
    if part is None:
        _moved(f"{module}.{name}")
    return part


def _moved(seam: str) -> None:
    problem = Problem(
        f"mlflow's {seam}",
        "is not where this version knows it, so only runs of the fluent interface are stamped",
        "Update mlflow-evidence-plugin",
    )
    tell(problem)
