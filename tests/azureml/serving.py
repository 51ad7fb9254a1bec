"""The double on loopback HTTPS: in this process, or `python -m tests.azureml.serving --dir DIR`.

Then, in another shell and with any client's environment: `. DIR/env.sh`
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from .certificate import certificate
from .workspace import Workspace


class Quiet(WSGIRequestHandler):
    """Logs nothing: the workspace remembers what it was asked."""

    def log(self, *args: object) -> None:
        pass


def bound(root: Path, port: int, logged_models: bool = False) -> tuple[Workspace, BaseWSGIServer]:
    """A workspace, and the server that it is reachable by, not yet serving."""
    root.mkdir(parents=True, exist_ok=True)
    tls = tuple(map(str, certificate(root)))
    server = make_server(
        "127.0.0.1", port, _nothing, threaded=True, ssl_context=tls, request_handler=Quiet
    )
    workspace = Workspace(root, f"https://127.0.0.1:{server.port}", logged_models)
    server.app = workspace
    return workspace, server


@contextmanager
def serving(root: Path) -> Iterator[Workspace]:
    """A workspace on a free port."""
    workspace, server = bound(root, 0)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield workspace
    finally:
        server.shutdown()
        server.server_close()


def trusting(workspace: Workspace) -> dict[str, str]:
    """What a client on this machine needs, the authority included."""
    return {**workspace.env(), "REQUESTS_CA_BUNDLE": str(workspace.root / "ca.pem")}


def _nothing(environ: object, start_response: object) -> list[bytes]:
    raise RuntimeError("the workspace is not there yet: its address had to be known first")


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__)
    cli.add_argument("--dir", required=True, type=Path)
    cli.add_argument("--port", type=int, default=8443)
    cli.add_argument("--logged-models", action="store_true", help="answer logged-model calls")
    args = cli.parse_args()
    workspace, server = bound(args.dir, args.port, args.logged_models)
    lines = (f"export {name}='{value}'\n" for name, value in trusting(workspace).items())
    (args.dir / "env.sh").write_text("".join(lines))
    server.serve_forever()


if __name__ == "__main__":
    main()
