"""Azure ML workspaces: what their client needs to serve a program that nobody sits before.

Its chain of identities ends in a browser and a device code, which wait for somebody to sign in,
and the Azure SDK beneath it waits and tries again for many minutes. Neither has a switch.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import wraps
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from ..errors import BadConfig, NotInstalled

OLDEST = "1.62.0.post6"
"""Before it, every artifact call fails beside mlflow 3."""

TIMEOUT = 20
"""Seconds for a request to be answered, however often it is tried, and for each read of a file."""
PAUSE = 2
"""Seconds that the Azure SDK may wait before it tries again, whatever the server asks for."""

NOBODY = "nobody is here to sign in"
"""In the client's error only when it has tried every identity, and found none to use."""

_INSTALL = "pip install 'mlflow-evidence-plugin[azureml]'"
_SCHEME = "azureml"
_CLOUDS = {
    ".azureml.ms": "AzureCloud",
    ".ml.azure.cn": "AzureChinaCloud",
    ".ml.azure.us": "AzureUSGovernment",
}
_ASKING = ("InteractiveBrowserCredential", "DeviceCodeCredential")
_MARK = "__evidence__"


def is_workspace(tracking_uri: str) -> bool:
    """Whether the address is that of an Azure ML workspace."""
    return urlsplit(tracking_uri).scheme == _SCHEME


def cloud(tracking_uri: str) -> str | None:
    """Azure's name of the cloud that an address lies in; None for another store's."""
    host = urlsplit(tracking_uri).hostname or ""
    return next((name for ending, name in _CLOUDS.items() if host.endswith(ending)), None)


def client_version() -> str:
    """The installed azureml-mlflow; NotInstalled or BadConfig when it cannot be used."""
    from packaging.version import Version

    try:
        found = version("azureml-mlflow")
    except PackageNotFoundError:
        said = "for a tracking URI azureml://…, azureml-mlflow is missing"
        raise NotInstalled(said, _INSTALL) from None
    mlflow = next(filter(None, map(_version, ("mlflow-skinny", "mlflow"))), "0")
    if Version(mlflow) >= Version("3") and Version(found) < Version(OLDEST):
        said = f"azureml-mlflow {found} is too old for mlflow {mlflow}: it can read no artifacts"
        raise BadConfig(said, f"{_INSTALL}; it brings azureml-mlflow {OLDEST} or newer")
    return found


def prepare(tracking_uri: str) -> None:
    """Make this process's Azure ML client answer or fail, within seconds, and ask nobody.

    Does nothing for other addresses. What the environment says already is left as it is.
    """
    if not is_workspace(tracking_uri):
        return
    client_version()
    os.environ.setdefault("AZUREML_HTTP_REQUEST_TIMEOUT", str(TIMEOUT))
    if found := cloud(tracking_uri):  # otherwise the client asks management.azure.com for it
        os.environ.setdefault("AZUREML_CURRENT_CLOUD", found)
    _hurry()
    _ask_nobody()


class WorkspaceFiles:
    """Files at a location in a workspace, as MLflow's artifact clients list them.

    Azure ML's own lists all files of the run, wherever below it the location is, and a folder's
    also for another one whose name begins alike. Here the names are relative to the location.
    """

    def __init__(self, repository: Any) -> None:
        self._files = repository.artifacts
        self._at = [step for step in (self._files.path or "").split("/") if step]

    def list_artifacts(self, path: str | None) -> list[Any]:
        """All files below a path, those in folders of it too: that is one request."""
        from mlflow.entities import FileInfo

        below, start = self._within(path or ""), self._within("")
        return [
            FileInfo(name.removeprefix(start), False, None)
            for name in self._files.get_file_paths()
            if name.startswith(below)
        ]

    def _download_file(self, path: str, target: str) -> None:
        self._files.download_artifact(self._within("") + path, target)

    def _within(self, path: str) -> str:
        steps = [*self._at, *filter(None, path.split("/"))]
        return "".join(f"{step}/" for step in steps)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _hurry() -> None:
    from azure.core.pipeline.policies import RetryPolicy
    from azure.core.pipeline.transport import RequestsTransport

    def retry(wrapped: Callable[..., Any]) -> Callable[..., Any]:
        def bounded(self: Any, options: dict[str, Any]) -> Any:
            options.setdefault("timeout", TIMEOUT)
            return wrapped(self, options)  # which takes what it knows out of them

        return bounded

    def send(wrapped: Callable[..., Any]) -> Callable[..., Any]:
        def bounded(self: Any, request: Any, **options: Any) -> Any:
            limits = {"connection_timeout": TIMEOUT, "read_timeout": TIMEOUT}
            return wrapped(self, request, **{**limits, **options})

        return bounded

    def sleep(wrapped: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, duration: wrapped(self, min(duration, PAUSE))

    _wrap(RetryPolicy, "configure_retries", retry)
    _wrap(RequestsTransport, "send", send)
    _wrap(RequestsTransport, "sleep", sleep)


def _ask_nobody() -> None:
    import azure.identity

    # Where no logging is set up, pages of what each kind of identity lacks go to standard error.
    logging.getLogger("azure").addHandler(logging.NullHandler())

    def refuse(_: Callable[..., Any]) -> Callable[..., Any]:
        def refused(*_: Any, **__: Any) -> Any:
            raise azure.identity.CredentialUnavailableError(NOBODY)

        return refused

    for name in _ASKING:
        for method in ("get_token", "get_token_info"):
            _wrap(getattr(azure.identity, name), method, refuse)


def _wrap(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    wrapped = getattr(owner, name)
    if not hasattr(wrapped, _MARK):
        made = wraps(wrapped)(make(wrapped))
        setattr(made, _MARK, True)
        setattr(owner, name, made)
