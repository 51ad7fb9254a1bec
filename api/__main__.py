"""`python -m api`: web and worker on one machine; `web`, `worker` and `prepare` apart."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from types import FrameType

import click

from mlflow_evidence_plugin.errors import EvidenceError
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.wiring import build, prepare

GRACE = 30
"""Seconds that a part is given to end what it is doing."""


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535))
@click.option("--web-workers", default=2, show_default=True, type=click.IntRange(1, 64))
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1, 64))
@click.option("--captures", default=2, show_default=True, type=click.IntRange(1, 64))
@click.pass_context
def main(
    ctx: click.Context, host: str, port: int, web_workers: int, threads: int, captures: int
) -> None:
    """Serve evidence: the web side and the worker that captures, on this machine."""
    # The first process of a container ignores what it has no handler for, while it still loads.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ctx.obj = {"bind": f"{host}:{port}", "workers": web_workers, "threads": threads}
    ctx.obj["captures"] = captures
    if ctx.invoked_subcommand is None:
        settings = _prepared()
        scheme = "https" if settings.tls_cert else "http"
        click.echo(f"evidence service: {scheme}://{host}:{port} — docs at /docs")
        first = settings.home / "token"
        said = first if first.exists() else "none made here: there were tokens already"
        click.echo(f"first token: {said}    key: {settings.signing_key}")
        sys.exit(_supervise())


@main.command("prepare")
def prepare_command() -> None:
    """Make home, schema, key and first token, where they are missing; then end."""
    _prepared()


@main.command()
@click.pass_obj
def web(options: dict[str, str | int]) -> None:
    """The web side alone."""
    settings = Settings.read()
    _checked(settings)  # what hinders the start is said before gunicorn's traceback
    command = [sys.executable, "-m", "gunicorn", "api.wsgi:app"]
    for name in ("bind", "workers", "threads"):
        command += [f"--{name}", str(options[name])]
    command += ["--worker-class", "api.gthread.Worker"]
    command += ["--logger-class", "api.logs.GunicornLogger"]
    # Room for the longest names that the contract allows, percent-encoded.
    command += ["--limit-request-line", "8190"]
    command += ["--graceful-timeout", str(GRACE), "--keep-alive", "5", "--no-control-socket"]
    command += _tls(settings)
    os.execv(sys.executable, command)  # noqa: S606 - gunicorn takes this process over


@main.command()
@click.pass_obj
def worker(options: dict[str, int]) -> None:
    """The worker alone."""
    from .consumers import teller
    from .logs import configure
    from .tasks import work

    configure()
    settings = Settings.read()
    evidence = build(settings)
    work(settings, evidence, options["captures"], teller(settings, evidence))


def _tls(settings: Settings) -> list[str]:
    """What gunicorn is told of TLS; with a clients' CA, who lacks its certificate is not heard."""
    if not (settings.tls_cert and settings.tls_key):
        return []
    command = ["--certfile", str(settings.tls_cert), "--keyfile", str(settings.tls_key)]
    if settings.tls_client_ca:
        command += ["--ca-certs", str(settings.tls_client_ca)]
        command += ["--cert-reqs", str(int(ssl.CERT_REQUIRED))]
    return command


def _prepared() -> Settings:
    settings = Settings.read()
    prepare(settings)
    _checked(settings)  # a broken policy or key is said now, once, and not by every worker
    return settings


def _checked(settings: Settings) -> None:
    from .consumers import configured

    build(settings)
    configured(settings)


def _supervise() -> int:
    """Run both parts; when one ends, end the other, and report."""
    asked = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal asked
        asked = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)  # before there is anything that would have to be ended
    parts = [
        subprocess.Popen([sys.executable, "-m", "api", *sys.argv[1:], part])
        for part in ("web", "worker")
    ]
    while not asked and all(part.poll() is None for part in parts):
        time.sleep(0.2)
    for part in parts:
        part.terminate()
    for part in parts:
        try:
            part.wait(GRACE + 5)
        except subprocess.TimeoutExpired:
            part.kill()
    return 0 if asked else 1


if __name__ == "__main__":
    try:
        main()
    except EvidenceError as error:
        click.echo(f"error: {error.detail}\n  mend: {error.mend}", err=True)
        sys.exit(2)
