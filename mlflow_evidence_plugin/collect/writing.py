"""The little that we ever write into MLflow, and only when somebody says so: tags, and a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..context.afterwards import stamped
from ..errors import Conflict, EvidenceError, NotFound, StoreRefused
from ..record.facts import moment
from .asking import MALFORMED, MISSING, REFUSED, asked, code_of, told
from .backlog import Backlog
from .store import MlflowStore


class Writer:
    """Writes to one tracking store."""

    def __init__(self, store: MlflowStore) -> None:
        self.store = store

    def stamp(self, run_id: str, given: Mapping[str, str]) -> dict[str, str]:
        """Stamp a bare run, in one request: the tags that it got; {} when it is stamped already.

        Its tags are read again right before, so that what others wrote meanwhile is kept.
        NotFound; Conflict for a deleted or full run; StoreRefused when the store takes no such
        tags.
        """
        from mlflow.entities import RunTag

        client = self.store.client
        with asked(f"run {run_id}"):
            run = client.get_run(run_id)
            if run.info.run_id != run_id:
                raise ValueError("another run was answered")
        if run.info.lifecycle_stage == "deleted":
            raise Conflict(f"run {run_id} is deleted", "restore it first: mlflow runs restore")
        if stamped(run.data.tags):
            return {}
        mine = Backlog(self.store).planned(run, given)
        if not mine:
            raise Conflict(f"run {run_id} has all the tags that its store takes", "delete some")
        with _written(f"the tags of run {run_id}"):
            client.log_batch(run_id, tags=[RunTag(name, value) for name, value in mine.items()])
        return mine

    def tags(self, run_id: str) -> dict[str, str]:
        """The tags of a run as they are now; NotFound."""
        with asked(f"run {run_id}"):
            run = self.store.client.get_run(run_id)
            if run.info.run_id != run_id:
                raise ValueError("another run was answered")
        return dict(run.data.tags)

    def link(self, subject: tuple[str, str], created: str | None, links: Mapping[str, str]) -> int:
        """Set tags of a model version where they are not so yet: how many. NotFound.

        `created` is when the version was made that is meant: another of the same number is left
        alone. StoreRefused when the store takes no such tags.
        """
        name, version = subject
        client, what = self.store.client, f"version {version} of model {name}"
        with asked(what):
            found = client.get_model_version(name, version)
            if found.name != name or str(found.version) != version:
                raise ValueError("another version was answered")
        if found.creation_timestamp and created != moment(found.creation_timestamp):
            raise NotFound(f"{what} was deleted and made again", "capture it: it is another one")
        have = found.tags or {}
        new = {tag: value for tag, value in links.items() if have.get(tag) != value}
        with _written(f"the tags of {what}"):
            for tag, value in new.items():
                client.set_model_version_tag(name, version, tag, value)
        return len(new)

    def log_text(self, run_id: str, text: str, path: str) -> None:
        """Log a text artifact; StoreRefused when the store takes it not."""
        with _written(f"the artifact {path} of run {run_id}"):
            self.store.client.log_text(run_id, text, path)


@contextmanager
def _written(what: str) -> Iterator[None]:
    try:
        yield
    except EvidenceError:
        raise
    except Exception as error:
        code = code_of(error)
        if code in REFUSED:
            mend = "give this identity write access to the store"
            raise StoreRefused(f"the tracking store refused to write {what}", mend) from error
        if code in MALFORMED or code in MISSING:
            mend = "see whether the run is still there, and whether it has room"
            raise StoreRefused(f"the tracking store did not take {what}", mend) from error
        raise told(what, error) from error
