"""Calls to other systems: only where the consumers file says, and only to addresses it means."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import (
    BaseHTTPResponse,
    HTTPConnectionPool,
    HTTPSConnectionPool,
    Retry,
    Timeout,
    encode_multipart_formdata,
)
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError

from mlflow_evidence_plugin.errors import CallbackFailed, CallbackRefused

from .addresses import LOOPBACK, suits
from .deadline import Deadline, Limits, Over
from .targets import Target, split

FAILING = (408, 429, 500, 502, 503, 504)
"""What may pass: anything else is an answer."""

_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "mlflow-evidence",
}
_LOOK = "see that it runs and takes what the consumers file says; the consumer asks again"

Resolve = Callable[..., list[Any]]


class Backoff(Retry):
    """urllib3's retries. What a failing server says at length is not read between two of them."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Backoff:
        """The next try; MaxRetryError."""
        if response is not None:
            response.close()
        return super().increment(method, url, response, error, _pool, _stacktrace)


RETRIES = Backoff(
    total=5,
    connect=1,
    redirect=False,
    status_forcelist=FAILING,
    allowed_methods=None,  # a verdict given twice is the same verdict
    backoff_factor=1,
    backoff_max=16,
    backoff_jitter=0.5,
    raise_on_status=False,
    respect_retry_after_header=False,  # it may ask for hours
)


class AnswerLost(CallbackFailed):
    """It was called, and gave no answer: it may have done what it was asked."""


def form_of(field: str, name: str, data: bytes, media_type: str) -> tuple[bytes, str]:
    """A file as a form with one field: the body, and its own type."""
    return encode_multipart_formdata({field: (name, data, media_type)})


@dataclass(frozen=True)
class Answer:
    """What the other system said. `whole` unless its document was too long or too slow: then none
    of it is here.
    """

    status: int
    body: bytes = field(repr=False)
    whole: bool = True
    retry_after: str | None = None

    @property
    def taken(self) -> bool:
        """Whether it is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Its document; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True)
class Outgoing:
    """How calls are made. A name is looked up once, and the address that was checked is called."""

    retries: Retry = RETRIES
    resolve: Resolve = socket.getaddrinfo
    limits: Limits = field(default_factory=Limits)

    def post(
        self, target: Target, path: str, document: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Answer:
        """POST a document below a target. CallbackFailed unless it is taken (2xx).

        CallbackRefused when the host's addresses are not of the kind that it may have.
        """
        body = json.dumps(document).encode()
        return _taken(target, self.call("POST", target, path, body, headers))

    def get(self, target: Target, path: str, headers: Mapping[str, str], most: int) -> Answer:
        """GET what is below a target, of so many bytes at the most. CallbackFailed unless 2xx.

        CallbackRefused when the host's addresses are not of the kind that it may have.
        """
        patient = replace(self, limits=replace(self.limits, answer_bytes=most))
        return _taken(target, patient.call("GET", target, path, None, headers))

    def call(
        self, method: str, target: Target, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Call a target, and tell whatever it answers. CallbackFailed when it answers nothing.

        AnswerLost where there was a connection, so that it may have been asked.
        """
        parts = split(target.url)
        if parts is None or (parts[0] == "http" and target.addresses != LOOPBACK):
            raise CallbackRefused("callbacks go to https:// alone", "see docs/integrations")
        _, host, port, base = parts
        call = _Call(method, f"{base}/{path}", body, headers, self.retries, self.limits)
        addresses = self._addresses(target, host, port)
        with Deadline(self.limits.whole) as deadline:
            for address in addresses:
                try:
                    return call.made(_pool(target, parts, address, self.limits, deadline), deadline)
                except (HTTPError, Over) as error:
                    reason = error.reason if isinstance(error, MaxRetryError) else error
                    if not isinstance(reason, NewConnectionError | ConnectTimeoutError):
                        raise _silence(host, reason, deadline) from None
        raise CallbackFailed(f"{host} cannot be reached", _LOOK)

    def _addresses(self, target: Target, host: str, port: int) -> list[str]:
        try:
            found = self.resolve(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise CallbackFailed(f"{host} has no address", _LOOK) from None
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if not all(suits(one, target.addresses) for one in addresses):
            raise CallbackRefused(
                f"{host} has an address that is not {target.addresses}",
                'addresses = "private" in the consumers file lets a host have private ones',
            )
        return addresses


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    body: bytes | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    retries: Retry
    limits: Limits

    def made(self, pool: HTTPConnectionPool, deadline: Deadline) -> Answer:
        with pool:
            answer = pool.urlopen(
                self.method,
                self.path,
                body=self.body,
                headers={**_HEADERS, **(pool.headers or {}), **self.headers},
                retries=self.retries,
                redirect=False,
                preload_content=False,
            )
            try:
                body, whole = _document(answer, self.limits)
                deadline.check()  # what was cut off in its headers looks like an answer
                return Answer(answer.status, body, whole, answer.headers.get("Retry-After"))
            finally:
                answer.close()


def _taken(target: Target, answer: Answer) -> Answer:
    if not answer.taken:
        host = urlsplit(target.url).hostname
        raise CallbackFailed(f"{host} answered HTTP {answer.status}", _LOOK)
    return answer


def _document(answer: BaseHTTPResponse, limits: Limits) -> tuple[bytes, bool]:
    """What was answered, if it is short and quick; of a refusal its status is enough."""
    until, found = time.monotonic() + limits.answer_seconds, bytearray()
    if not 200 <= answer.status < 300:
        return b"", True
    while len(found) <= limits.answer_bytes and time.monotonic() < until:
        piece = answer.read1(4096, decode_content=False)
        if not piece:
            return bytes(found), True
        found += piece
    return b"", False


def _silence(host: str, reason: Exception | None, deadline: Deadline) -> CallbackFailed:
    """What is said where no answer came."""
    kind = AnswerLost if deadline.reached else CallbackFailed
    if deadline.over:
        return kind(f"{host} gave no answer within {deadline.seconds:g} s", _LOOK)
    return kind(f"{host} gave no answer: {type(reason).__name__}", _LOOK)


class _Timed(HTTPConnection):
    """A connection that ends with the call. Writing may take as long as reading."""

    def __init__(self, *args: Any, deadline: Deadline, read: float, **more: Any) -> None:
        super().__init__(*args, **more)
        self.deadline, self.read = deadline, read

    def connect(self) -> None:
        self.deadline.check()
        super().connect()
        self.sock.settimeout(self.read)
        self.deadline.watch(self.sock)


class _TimedTls(_Timed, HTTPSConnection):
    """The same, with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Timed


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTls


def _pool(
    target: Target,
    parts: tuple[str, str, int, str],
    address: str,
    limits: Limits,
    deadline: Deadline,
) -> HTTPConnectionPool:
    """Connections to that very address; the name is what the certificate must be made out to."""
    scheme, host, port, _ = parts
    named = f"[{host}]" if ":" in host else host
    default = port == (443 if scheme == "https" else 80)
    known: dict[str, Any] = {
        "headers": {"Host": named if default else f"{named}:{port}"},
        "timeout": Timeout(connect=limits.connect, read=limits.read),
        "deadline": deadline,
        "read": limits.read,
    }
    if scheme == "http":
        return _Pool(address, port, **known)
    return _TlsPool(
        address,
        port,
        cert_reqs="CERT_REQUIRED",
        ca_certs=target.ca_file or DEFAULT_CA_BUNDLE_PATH,
        server_hostname=host,
        assert_hostname=host,
        **known,
    )


__all__ = [
    "FAILING",
    "RETRIES",
    "Answer",
    "AnswerLost",
    "Limits",
    "Outgoing",
    "Target",
    "form_of",
    "split",
]
