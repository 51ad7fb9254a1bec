"""The time that a call has in all. A far side that drips would keep its caller for ever."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Timer


@dataclass(frozen=True)
class Limits:
    """How long a call may take, in seconds, and how long an answer may be.

    `connect` is for a connection, `read` for whatever is waited for on it, `whole` for the call
    with all of its tries. An answer's document may take `answer_seconds`.
    """

    connect: float = 5
    read: float = 10
    whole: float = 120
    answer_seconds: float = 20
    answer_bytes: int = 64 * 1024


class Over(Exception):
    """The call's time is over."""


class Deadline:
    """Cuts the connections of a call once its time is over, whatever is waited for on them.

    A socket's own time-out begins anew with each byte. `over` says whether the time is over;
    `reached`, whether there was a connection at all.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.over, self.reached = seconds, False, False
        self._socket: socket.socket | None = None
        self._lock = Lock()
        self._timer = Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        self._socket = None

    def check(self) -> None:
        """Over once the time is."""
        if self.over:
            raise Over

    def watch(self, connection: socket.socket) -> None:
        """Cut this connection when it is time; it takes the place of the one before it."""
        with self._lock:
            self._socket, self.reached = connection, True
            if self.over:
                _cut(connection)

    def _end(self) -> None:
        with self._lock:
            self.over = True
            if self._socket is not None:
                _cut(self._socket)


def _cut(connection: socket.socket) -> None:
    # Not TLS's own way of ending, which another thread is in the midst of using.
    with suppress(OSError):  # closed already
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
