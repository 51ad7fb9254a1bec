"""Calls to other systems: only where the consumers file says, and only to addresses it means."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError

from mlflow_evidence_plugin.errors import CallbackFailed, CallbackRefused

from .addresses import LOOPBACK, PUBLIC, suits

PATIENCE = Timeout(connect=5, read=10)
ANSWER_SECONDS = 20.0
ANSWER_BYTES = 64 * 1024
FAILING = (408, 429, 500, 502, 503, 504)
"""What may pass: anything else is an answer."""

_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "mlflow-evidence",
}
_LOOK = "see that it runs and takes what the consumers file says; the consumer asks again"
_SANE = re.compile(r"[!-~]{1,2048}")
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~%-]+)*/?")

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


@dataclass(frozen=True)
class Target:
    """Where calls may go: a base URL of the consumers file, and the addresses its host may have.

    `ca_file` is a PEM file with the authorities that may vouch for it, where they are not public.
    """

    url: str
    addresses: str = PUBLIC
    ca_file: str | None = None

    def below(self, url: str) -> str:
        """The path of a stranger's URL below this one; CallbackRefused for one that is not there.

        What it says is not repeated: it may hold a password.
        """
        mine, theirs = split(self.url), split(url)
        if mine and theirs and mine[:3] == theirs[:3]:
            path = theirs[3] + "/"
            if path.startswith(mine[3] + "/"):
                return path[len(mine[3]) :].strip("/")
        raise CallbackRefused(
            "the callback URL is not one that this service may call",
            "name its host in the consumers file, exactly as it is called",
        )


def form_of(field: str, name: str, data: bytes, media_type: str) -> tuple[bytes, str]:
    """A file as a form with one field: the body, and its own type."""
    return encode_multipart_formdata({field: (name, data, media_type)})


def split(url: str) -> tuple[str, str, int, str] | None:
    """Scheme, host, port and path of a plain http(s) URL; None for any other.

    One with a user, a query, a fragment or dots in its path is not plain.
    """
    try:
        parts = urlsplit(url) if _SANE.fullmatch(url) else None
        if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
            return None
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    host, _, _ = parts.netloc.rpartition(":") if parts.port else (parts.netloc, "", "")
    dots = {".", ".."} & set(parts.path.split("/"))
    plain = _HOST.fullmatch(host) and _PATH.fullmatch(parts.path) and not dots
    if not plain or "?" in url or "#" in url:
        return None
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/")


@dataclass(frozen=True)
class Answer:
    """What the other system said."""

    status: int
    body: bytes = field(repr=False)
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

    def post(
        self, target: Target, path: str, document: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Answer:
        """POST a document below a target. CallbackFailed unless it is taken (2xx).

        CallbackRefused when the host's addresses are not of the kind that it may have.
        """
        answer = self.call("POST", target, path, json.dumps(document).encode(), headers)
        if not answer.taken:
            host = urlsplit(target.url).hostname
            raise CallbackFailed(f"{host} answered HTTP {answer.status}", _LOOK)
        return answer

    def call(
        self, method: str, target: Target, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Call a target, and tell whatever it answers. CallbackFailed when it answers nothing."""
        parts = split(target.url)
        if parts is None or (parts[0] == "http" and target.addresses != LOOPBACK):
            raise CallbackRefused("callbacks go to https:// alone", "see docs/integrations")
        _, host, port, base = parts
        call = _Call(method, f"{base}/{path}", body, headers, self.retries)
        for address in self._addresses(target, host, port):
            try:
                return call.made(_pool(target, parts, address))
            except MaxRetryError as error:
                if isinstance(error.reason, NewConnectionError | ConnectTimeoutError):
                    continue
                raise CallbackFailed(f"{host} gave no answer", _LOOK) from None
            except HTTPError as error:
                raise CallbackFailed(f"{host} gave no answer: {type(error).__name__}") from None
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

    def made(self, pool: HTTPConnectionPool) -> Answer:
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
                return Answer(answer.status, _document(answer), answer.headers.get("Retry-After"))
            finally:
                answer.close()


def _document(answer: BaseHTTPResponse) -> bytes:
    """What was answered, so far as it is short and quick; of a refusal its status is enough."""
    until, found = time.monotonic() + ANSWER_SECONDS, b""
    while 200 <= answer.status < 300 and len(found) <= ANSWER_BYTES and time.monotonic() < until:
        piece = answer.read1(4096, decode_content=False)
        if not piece:
            return found
        found += piece
    return b""


def _pool(target: Target, parts: tuple[str, str, int, str], address: str) -> HTTPConnectionPool:
    """Connections to that very address; the name is what the certificate must be made out to."""
    scheme, host, port, _ = parts
    named = f"[{host}]" if ":" in host else host
    default = port == (443 if scheme == "https" else 80)
    headers = {"Host": named if default else f"{named}:{port}"}
    if scheme == "http":
        return HTTPConnectionPool(address, port, timeout=PATIENCE, headers=headers)
    return HTTPSConnectionPool(
        address,
        port,
        timeout=PATIENCE,
        headers=headers,
        cert_reqs="CERT_REQUIRED",
        ca_certs=target.ca_file or DEFAULT_CA_BUNDLE_PATH,
        server_hostname=host,
        assert_hostname=host,
    )
