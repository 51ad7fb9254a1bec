"""The double within this process: a `requests_mock.Mocker` answers its hosts."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import Client

from .names import ACCOUNT, HOST
from .workspace import Workspace

METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD")


def mount(workspace: Workspace, mocker: Any) -> None:
    """Let the mocker answer the workspace and its storage account; all else fails loudly."""
    client = Client(workspace)

    def answer(request: Any, context: Any) -> bytes:
        url, body = urlsplit(request.url), request.body or b""
        said = client.open(
            url.path,
            base_url=f"{url.scheme}://{url.netloc}",
            query_string=url.query,
            method=request.method,
            data=body.read() if hasattr(body, "read") else body,
            headers=list(request.headers.items()),
        )
        context.status_code, context.headers = said.status_code, dict(said.headers)
        return said.get_data()

    hosts = re.compile(rf"^https://({re.escape(HOST)}|{re.escape(ACCOUNT)})/")
    for method in METHODS:
        mocker.register_uri(method, hosts, content=answer)
