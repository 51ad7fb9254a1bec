"""What MLflow asks no context provider about: runs and models of its client, and resumed runs.

Three places see all of them, on every store: `create_run` and `create_logged_model` of the store
that a process has opened, and `ActiveRun`, through which the fluent interface resumes. They are
wrapped in this process, at the first store that it opens. The only room of `context` that touches
mlflow, and only then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial, wraps
from inspect import BoundArguments, Signature, signature
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .. import tags
from .header import SERVER
from .host import active, environment
from .notices import Problem, log, tell
from .patience import beside
from .room import SPARE, fitting, most_tags

if TYPE_CHECKING:
    from .process import Process

REGISTRY = ("mlflow.tracking._tracking_service.utils", "_tracking_store_registry")
FLUENT = ("mlflow.tracking.fluent", "ActiveRun")
ENTITIES = "mlflow.entities"
CREATING = {"create_run": "RunTag", "create_logged_model": "LoggedModelTag"}
"""What a store creates with tags, and what mlflow calls such a tag; MLflow 2 has no second one."""
RESUME = "resume"

MARK = "__evidence__"
"""On what we wrapped: other libraries wrap the same functions."""

UNKNOWN = "unknown"

GIT = (tags.GIT_COMMIT, tags.GIT_BRANCH, tags.GIT_DIRTY, tags.GIT_REMOTE)

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
    for name, entity in CREATING.items():
        create, tag = getattr(store, name, None), getattr(sys.modules[ENTITIES], entity, None)
        if create is not None and tag is not None:
            if not _ours(create):
                setattr(store, name, _creating(create, tag, most_tags(store)))
        elif (create, tag) != (None, None):
            _moved(f"{name} of the store")
    run = _found(*FLUENT)
    if run is not None and not _ours(run.__init__):
        run.__init__ = _resuming(run.__init__)


def _marked(wrapper: Callable[..., Any]) -> Callable[..., Any]:
    setattr(wrapper, MARK, True)
    return wrapper


def _ours(function: Any) -> bool:
    """Whether it is our wrapper, or somebody else's around ours: `wraps` hands the mark on."""
    return hasattr(function, MARK)


def _creating(create: Callable[..., Any], tag: Any, most: int | None) -> Callable[..., Any]:
    """A store's function that adds the tags which nobody gave, `most` of them in all."""
    form = _form(create)
    if form is None:
        _moved(f"the tags of {create.__name__}")
        return create

    @wraps(create)
    def creating(*args: Any, **kwargs: Any) -> Any:
        try:
            args, kwargs = _with_tags(form.bind(*args, **kwargs), tag, most)
        except Exception:  # as above
            log.debug("evidence: created without our tags", exc_info=True)
        made = _accepted(create, form, args, kwargs)
        try:
            if info := getattr(made, "info", None):  # a run; a model is never resumed
                _process().made(info.run_id)
        except Exception:  # as above
            log.debug("evidence: a created run is not remembered", exc_info=True)
        return made

    return _marked(creating)


def _form(create: Callable[..., Any]) -> Signature | None:
    """The arguments of a store's function; those of its base, if it only hands on what comes."""
    store = getattr(create, "__self__", None)
    bases = (vars(base).get(create.__name__) for base in type(store).__mro__)
    for one in (create, *(base.__get__(store) for base in bases if base is not None)):
        form = signature(one)
        if "tags" in form.parameters:
            return form
    return None


def _accepted(create: Callable[..., Any], form: Signature, args: Any, kwargs: Any) -> Any:
    """What the store creates: without our tags, if it refuses what it is given.

    If it refuses that too, the program sees the same error as without us.
    """
    try:
        return create(*args, **kwargs)
    except Exception as error:
        bare = _without_ours(form.bind(*args, **kwargs)) if _refused(error) else None
        if bare is None:
            raise
    made = create(*bare.args, **bare.kwargs)
    tell(Problem("tags", "the store refused them", "See what it takes for a tag"))
    return made


def _without_ours(given: BoundArguments) -> BoundArguments | None:
    """The same call without our tags; None when none of them is ours."""
    there = list(given.arguments.get("tags") or ())
    try:
        mine = _launched(_process().tags(), {one.key: one.value for one in there})
    except Exception:  # as above
        return None
    theirs = [one for one in there if mine.get(one.key) != one.value]
    given.arguments["tags"] = theirs
    return given if len(theirs) < len(there) else None


def _refused(error: Exception) -> bool:
    """Whether the store took no such request, and so made nothing; 429 says to come again."""
    status = getattr(error, "get_http_status_code", lambda: 0)()
    return 400 <= status < 500 and status != 429


def _process() -> Process:
    from .process import current  # at the first run: `import mlflow` must not pay for it

    return current()


def _with_tags(
    given: BoundArguments, tag: Any, most: int | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    there = list(given.arguments.get("tags") or ())
    names = {one.key for one in there}
    by_provider = tags.STAMPED_BY in names  # whom the fluent interface has asked
    if not by_provider or (most is not None and len(names) > most - SPARE):
        mine = _launched(_process().tags(), {one.key: one.value for one in there})
        theirs = [one for one in there if mine.get(one.key) != one.value]
        names = {one.key for one in theirs}
        new = {name: value for name, value in mine.items() if name not in names}
        ours = fitting(new, names, most)
        given.arguments["tags"] = theirs + [tag(name, value) for name, value in ours.items()]
    return given.args, given.kwargs


def _launched(mine: Mapping[str, str], given: Mapping[str, str]) -> Mapping[str, str]:
    """`mlflow run` is called in any repository: of git, what it says of the project counts."""
    from .git import COMMIT  # as in `_process`

    commit = given.get("mlflow.source.git.commit", "")
    if given.get("mlflow.source.type") != "PROJECT" or commit == mine.get(tags.GIT_COMMIT, ""):
        return mine
    rest = {name: value for name, value in mine.items() if name not in GIT}
    return {**rest, tags.GIT_COMMIT: commit} if COMMIT.fullmatch(commit) else rest


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
    if _stamped(there, mine):
        said = _resumer(there, mine)
    else:
        said = {k: v for k, v in {**mine, tags.STAMPED_BY: RESUME}.items() if k not in there}
    store = _found(*REGISTRY).get_store()
    said = fitting(said, there, most_tags(store))
    if said:
        from mlflow.entities import RunTag

        # Of the store itself: to build an MlflowClient takes as long as some requests.
        batch = [RunTag(name, value) for name, value in said.items()]
        write = partial(store.log_batch, run.info.run_id, [], [], batch)
        if not beside(write):
            raise TimeoutError("the store does not answer")
        there.update(said)


def _stamped(there: Mapping[str, str], mine: Mapping[str, str]) -> bool:
    """Whether nothing is to be added: a server only knows our header, and stamps before us."""
    if there.get(tags.STAMPED_BY) != SERVER:
        return tags.STAMPED_BY in there
    names = [tags.PREFIX + name for name in tags.HEADER_NAMES]
    return any(there[name] != mine.get(name) for name in names if name in there)


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
