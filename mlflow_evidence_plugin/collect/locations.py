"""Which locations we follow with our own credentials, when registry users wrote them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

_DATABASES = ("sqlite",)
_WORKSPACE = re.compile(r"/mlflow/v[12]\.0(?=/subscriptions/)", re.IGNORECASE)
_SCOPE_STEPS = 8
"""Steps of `subscriptions/…/workspaces/NAME`, in which Azure tells no upper case from lower."""


@dataclass(frozen=True)
class Roots:
    """Configured roots: scheme, authority and path prefix.

    Source of the danger: an artifact root or a model's source is text that any registry user may
    write, while the one who reads it here is the service.
    """

    uris: tuple[str, ...]

    @classmethod
    def of_store(cls, tracking_uri: str) -> Roots:
        """The store's own roots: what its server proxies, or the folders beside its database."""
        parts = urlsplit(tracking_uri)
        if parts.scheme in ("http", "https"):
            return cls(("mlflow-artifacts:/",))
        if parts.scheme in _DATABASES:
            beside = Path(unquote(parts.path)[1:] or ".").absolute().parent
            return cls(tuple((beside / name).as_uri() for name in ("mlruns", "mlartifacts")))
        if parts.scheme in ("", "file"):
            return cls((Path(_local(tracking_uri) or ".").absolute().as_uri(),))
        if parts.scheme == "azureml":
            # The second: files that were registered from somebody's disk, in the same workspace.
            return cls((tracking_uri.partition("?")[0], "azureml://artifacts/"))
        return cls(())

    def allow(self, uri: str) -> bool:
        """Whether the location lies at or below a root. Anything with `..` does not."""
        scheme, authority, steps = _parts(uri)
        if ".." in steps:
            return False
        for root in self.uris:
            its_scheme, its_authority, its_steps = _parts(root)
            same = (scheme, authority) == (its_scheme, its_authority)
            if same and steps[: len(its_steps)] == its_steps:
                return True
        return False


def local_path(uri: str) -> Path | None:
    """The path of a `file:` URI or a plain path; None for any other scheme."""
    path = _local(uri)
    return Path(path) if path is not None else None


def _local(uri: str) -> str | None:
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return url2pathname(parts.path)
    return uri if parts.scheme == "" else None


def _parts(uri: str) -> tuple[str, str, list[str]]:
    path = local_path(uri)
    if path is not None:
        # Links are resolved, so that one inside a root cannot lead out of it.
        steps = [".."] if ".." in path.parts else list(path.resolve().parts)
        return "file", "", [step for step in steps if step != "/"]
    parts = urlsplit(uri)
    steps = [step for step in unquote(parts.path).split("/") if step not in ("", ".")]
    if parts.query or parts.fragment:
        steps.append("..")
    if parts.scheme.lower() == "azureml" and (workspace := _WORKSPACE.match(parts.path)):
        # Their client takes the host and the workspace from the tracking URI alone, and the same
        # workspace goes by several hosts: its region's, its own, and that of a private link.
        del steps[: workspace[0].count("/")]
        scope = [step.lower() for step in steps[:_SCOPE_STEPS]]
        return "azureml", "", scope + steps[_SCOPE_STEPS:]
    return parts.scheme.lower(), parts.netloc.lower(), steps
