"""The workspace past the client: what the store has, and runs that nobody has stamped."""

from __future__ import annotations

from typing import Any

from werkzeug.test import Client

from .names import SCOPE
from .workspace import Workspace

API = f"/mlflow/v2.0{SCOPE}/api/2.0/mlflow"


def bare_run(workspace: Workspace, count: int = 1) -> str:
    """A run with so many tags, none of them ours; its name is one of them."""
    tags = [{"key": f"mine{number}", "value": "x"} for number in range(count - 1)]
    said = _ask(workspace, "post", "/runs/create", json={"experiment_id": "0", "tags": tags})
    return said["run"]["info"]["run_id"]


def stored_run(workspace: Workspace, run_id: str) -> dict[str, Any]:
    """A run as the store has it."""
    return _ask(workspace, "get", f"/runs/get?run_id={run_id}")["run"]


def _ask(workspace: Workspace, method: str, path: str, **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {workspace.token()}"}
    said = getattr(Client(workspace), method)(API + path, headers=headers, **options)
    assert said.status_code == 200, said.text
    return said.get_json()
