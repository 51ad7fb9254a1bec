"""Ticket systems that are told of verdicts: what they have in common, and how one is called."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from marshmallow import ValidationError, fields, validate

from mlflow_evidence_plugin.errors import CallbackFailed, CallbackRefused
from mlflow_evidence_plugin.render.exhibit import Exhibit
from mlflow_evidence_plugin.render.formats import renderer
from mlflow_evidence_plugin.storage import Principal

from ..schemas import names
from .options import HeaderSecretFile, SecretFile, TargetOptions, globs, principal, target
from .outgoing import FAILING, Answer, AnswerLost, Outgoing, Target

ARCHIVE, HTML = "archive", "html"
ATTACH_BYTES = 32 << 20
"""Of an attachment. A longer archive is not attached: it can be fetched from the service."""

OF_ONE = (200, 400, 404, 409, 410, 413, 422)
"""Answers that are about this one ticket, and say nothing of the next."""

LOST = (504,)
"""A gateway's word that it did not wait for the answer: what was asked may be done all the same."""

_TICKET = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ZIP, _HTML = "application/zip", "text/html; charset=utf-8"
_MEND = {
    401: "see that the user and the secret in its file are right",
    403: "give that user the right to write to the ticket, and to attach files",
    404: "see that the ticket is there, and that this user may see it",
    413: "leave the archive out of `attach`, or let the system take larger files",
}


class NotTaken(Exception):
    """Another system did not take what it was told. `status` is None where it gave no answer.

    `lost` where it was asked, so that it may have taken it all the same.
    """

    def __init__(
        self, detail: str, mend: str, status: int | None, pause: int | None, lost: bool = False
    ) -> None:
        super().__init__(detail)
        self.detail, self.mend, self.status, self.pause = detail, mend, status, pause
        self.lost = lost or status in LOST

    @property
    def of_one(self) -> bool:
        """Whether other tickets may be taken all the same."""
        return self.status in OF_ONE


@dataclass(frozen=True)
class Desk:
    """A ticket system, how it lets us in, and of which verdicts it is told."""

    target: Target
    authorization: str = field(repr=False)
    tickets: re.Pattern[str]
    environments: tuple[str, ...] | None
    attach: tuple[str, ...]
    principal: Principal

    def wants(self, ticket: str | None, environment: str) -> bool:
        """Whether a verdict with this ticket is to be told here."""
        if ticket is None or not _TICKET.fullmatch(ticket) or not self.tickets.fullmatch(ticket):
            return False
        return self.environments is None or environment in self.environments

    def send(
        self, outgoing: Outgoing, method: str, path: str, body: bytes | None, **headers: str
    ) -> Answer:
        """One call below the system's address; NotTaken unless it is taken (2xx)."""
        sent = {"Authorization": self.authorization, "Accept": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            answer = outgoing.call(method, self.target, path, body, sent)
        except (CallbackFailed, CallbackRefused) as error:
            lost = isinstance(error, AnswerLost)
            raise NotTaken(error.detail, error.mend, None, None, lost) from None
        if answer.taken:
            return answer
        mend = _MEND.get(answer.status, "")
        if answer.status in FAILING:
            mend = "it is tried again by itself"
        said = f"{self.target.url} answered HTTP {answer.status}"
        raise NotTaken(said, mend, answer.status, _seconds(answer.retry_after))

    def ask(self, outgoing: Outgoing, path: str) -> Any:
        """The document below the system's address, None where it is none; NotTaken."""
        answer = self.send(outgoing, "GET", path, None)
        if not answer.whole:
            said = f"{self.target.url} answered more than can be read"
            mend = "see why what is asked for is so long, or so slow to come"
            raise NotTaken(said, mend, answer.status, None)
        return answer.json()


@dataclass(frozen=True)
class News:
    """A verdict that has changed, and what is told with it.

    `exhibit` shows that verdict alone. `archive` gives a file's name and its bytes, or None where
    they are too many.
    """

    ticket: str
    environment: str
    verdict: Mapping[str, Any]
    exhibit: Exhibit
    archive: Callable[[], tuple[str, bytes] | None]
    url: str | None

    def files(self, attach: tuple[str, ...]) -> Iterator[tuple[str, Made]]:
        """What is to be attached: each part's name, and what makes it, or None."""
        kinds: dict[str, Made] = {HTML: self._page, ARCHIVE: self._zip}
        return ((kind, kinds[kind]) for kind in kinds if kind in attach)

    def _zip(self) -> Attachment | None:
        found = self.archive()
        return Attachment(found[0], _ZIP, found[1]) if found else None

    def _page(self) -> Attachment:
        data = renderer("html").render(self.exhibit)
        return Attachment(f"evidence-{self.exhibit.document['digest'][7:19]}.html", _HTML, data)


@dataclass(frozen=True)
class Attachment:
    """A file."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


class Part(NamedTuple):
    """Something that is told by one call. `again`: telling it twice is telling it once."""

    name: str
    tell: Callable[[], object]
    again: bool = False


Made = Callable[[], "Attachment | None"]


class TicketSystem(Protocol):
    """A part of the consumers file whose system is told of verdicts."""

    @property
    def desk(self) -> Desk:
        """Where it is, and what it wants."""

    def parts(self, news: News, outgoing: Outgoing) -> Iterator[Part]:
        """What is to be told, in order. NotTaken."""


class TicketOptions(TargetOptions):
    """A ticket system that may be told of verdicts."""

    user = fields.String(validate=validate.Regexp(r"^[^\x00-\x20:]{1,256}\Z"))
    password_file = SecretFile()
    token_file = HeaderSecretFile()
    tickets = fields.String(required=True, validate=validate.Length(1, 256))
    environments = fields.List(names.name(64), load_default=None, validate=validate.Length(1, 64))
    attach = fields.List(
        fields.String(validate=validate.OneOf([ARCHIVE, HTML])), load_default=[ARCHIVE, HTML]
    )
    models = globs()
    experiments = globs()


def desk(name: str, data: Mapping[str, Any]) -> Desk:
    """The system that options name; ValidationError."""
    try:
        tickets = re.compile(data["tickets"], re.ASCII)
    except (re.error, RecursionError, OverflowError):
        raise ValidationError("Not a regular expression.", "tickets") from None
    environments = data["environments"]
    return Desk(
        target(data),
        _authorization(data),
        tickets,
        tuple(environments) if environments is not None else None,
        tuple(data["attach"]),
        principal(name, data),
    )


def _authorization(data: Mapping[str, Any]) -> str:
    said = {name for name in ("user", "password_file", "token_file") if name in data}
    if said == {"token_file"}:
        return f"Bearer {data['token_file'].decode()}"
    if said != {"user", "password_file"}:
        raise ValidationError("Name a user and password_file, or token_file alone.", "user")
    pair = data["user"].encode() + b":" + data["password_file"]
    return f"Basic {base64.b64encode(pair).decode()}"


def _seconds(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else None
