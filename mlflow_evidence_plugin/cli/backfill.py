"""Where `stamp` finds runs and stamps them: the service, or a tracking store itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from ..context.afterwards import checked
from ..errors import BadConfig

Document = dict[str, Any]


class Runs(Protocol):
    """Where runs are stamped: through the service, or straight in a tracking store."""

    def unstamped(self, **which: str) -> Iterator[Document]:
        """Bare runs, of one `experiment`, or the one with `run_id`, or all."""

    def stamp(self, run_id: str) -> Mapping[str, str]:
        """Stamp one: the tags that it got."""


class Remote:
    """Through the service."""

    def __init__(self, url: str, given: Mapping[str, str]) -> None:
        from ..client import EvidenceClient
        from .backend import token_of

        self._client = EvidenceClient(url, token_of("EVIDENCE_TOKEN"))
        self._given = given

    def unstamped(self, **which: str) -> Iterator[Document]:
        """As the service lists them, and with what is given here."""
        tags = checked(self._given)
        for run in self._client.unstamped(**which):
            new = {name: value for name, value in tags.items() if name not in run["carries"]}
            yield {**run, "would_stamp": {**run["would_stamp"], **new}}

    def stamp(self, run_id: str) -> Mapping[str, str]:
        """Where the service may write."""
        stamped: Mapping[str, str] = self._client.stamp(run_id, dict(self._given))["stamped"]
        return stamped


class Local:
    """Straight in a tracking store, with this machine's identity."""

    def __init__(self, tracking_uri: str | None, given: Mapping[str, str]) -> None:
        from ..collect import Backlog, Writer
        from .catalogue import catalogue
        from .options import NO_PLACE

        store = catalogue(tracking_uri, NO_PLACE).store
        self._backlog, self._writer = Backlog(store), Writer(store)
        self._given = checked(given)

    def unstamped(self, **which: str) -> Iterator[Document]:
        """A page at a time."""
        if "run_id" in which:
            found = self._backlog.run(which["run_id"], self._given)
            yield from [asdict(found)] if found else []
            return
        known = self._backlog.experiments(which.get("experiment"))
        for page, _ in self._backlog.pages(known, self._given):
            yield from map(asdict, page)

    def stamp(self, run_id: str) -> Mapping[str, str]:
        """In one request, after a last look."""
        return self._writer.stamp(run_id, self._given)


def runs_of(url: str | None, tracking_uri: str | None, given: Mapping[str, str]) -> Runs:
    """The service where one is named, else a tracking store; BadInput for values that are unfit."""
    if url and tracking_uri:
        raise BadConfig("both a service and a tracking store are named", "give one of them")
    checked(given)  # before anything is asked
    return Remote(url, given) if url else Local(tracking_uri, given)
