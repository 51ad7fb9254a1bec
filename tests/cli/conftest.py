"""The command line within this process: a process of its own costs two seconds of imports."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from mlflow_evidence_plugin.cli.main import main


@dataclass(frozen=True)
class Said:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def az(monkeypatch, capsys, tmp_path) -> Iterator[Run]:
    """`az("run", "list", MLFLOW_TRACKING_URI=…)`: the console script's own `main`."""
    import mlflow

    before, environment = mlflow.get_tracking_uri(), dict(os.environ)
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **env: str) -> Said:
        for name in [n for n in os.environ if n.startswith(("MLFLOW_", "EVIDENCE_"))]:
            del os.environ[name]
        quick = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_DISABLE_TELEMETRY": "true"}
        os.environ.update({**quick, "COLUMNS": "250", "HOME": str(tmp_path), **env})
        monkeypatch.setattr(sys, "argv", ["mlflow-evidence", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    yield run
    os.environ.clear()
    os.environ.update(environment)
    mlflow.set_tracking_uri(before)


@pytest.fixture
def on_server(az, mlflow_url) -> Run:
    """On the real tracking server."""
    return lambda *words, **env: az(*words, **{"MLFLOW_TRACKING_URI": mlflow_url, **env})


@pytest.fixture(scope="session")
def local(tmp_path_factory) -> dict[str, str]:
    """A local SQLite store: its variable, the id of one run in it, and its folder."""
    import mlflow

    before = mlflow.get_tracking_uri()
    home = tmp_path_factory.mktemp("local")
    uri = f"sqlite:///{home / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient(uri)
    experiment = client.create_experiment("local", (home / "mlruns" / "1").as_uri())
    run_id = client.create_run(experiment, run_name="here").info.run_id
    for path, text in {"a b/ü.txt": "hello", "empty": "", "deep/er/x": "x" * 3_000_000}.items():
        client.log_text(run_id, text, path)
    client.set_terminated(run_id)
    mlflow.set_tracking_uri(before)
    folder = home / "mlruns" / "1" / run_id / "artifacts"
    return {"MLFLOW_TRACKING_URI": uri, "run": run_id, "folder": str(folder)}


@pytest.fixture
def on_disk(az, local) -> Run:
    """On the local SQLite store."""
    uri = local["MLFLOW_TRACKING_URI"]
    return lambda *words, **env: az(*words, **{"MLFLOW_TRACKING_URI": uri, **env})


@pytest.fixture
def serving() -> Iterator[Callable[[Any], str]]:
    """Puts applications on real sockets."""
    servers = []

    def serve(app: Any) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def files_below(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())
