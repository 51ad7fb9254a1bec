"""The service's settings: from the environment only, read once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .errors import BadConfig

PREFIX = "EVIDENCE_SERVICE_"
DEFAULT_HOME = "~/.mlflow-evidence"
SCRATCH_BYTES = 4 << 30

MLFLOW_CLIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""MLflow's own defaults keep a caller waiting for minutes, or as long as the server asks for; we
retry whole captures instead."""


@dataclass(frozen=True)
class Settings:
    """Where things are. Passwords may stand in the two URLs, so that neither is shown."""

    home: Path
    database_url: str = field(repr=False)
    tracking_uri: str = field(repr=False)
    registry_uri: str | None = field(repr=False)
    store_id: str
    policy_file: Path | None
    signing_key: Path
    artifact_roots: tuple[str, ...]
    scratch_bytes: int

    @classmethod
    def read(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """From variables `EVIDENCE_SERVICE_…`; BadConfig names the one that cannot be used."""

        def get(name: str) -> str | None:
            return env.get(PREFIX + name, "").strip() or None

        home = Path(get("HOME") or DEFAULT_HOME).expanduser().absolute()
        tracking = get("TRACKING_URI") or env.get("MLFLOW_TRACKING_URI", "").strip()
        policy = get("POLICY_FILE")
        return cls(
            home=home,
            database_url=get("DATABASE_URL") or embedded(home),
            tracking_uri=tracking,
            registry_uri=get("REGISTRY_URI") or env.get("MLFLOW_REGISTRY_URI", "").strip() or None,
            store_id=get("STORE_ID") or _without_credentials(tracking),
            policy_file=Path(policy).expanduser().absolute() if policy else None,
            signing_key=Path(get("SIGNING_KEY") or home / "signing-key.pem").expanduser(),
            artifact_roots=tuple((get("ARTIFACT_ROOTS") or "").split()),
            scratch_bytes=_bytes(get("SCRATCH_BYTES")),
        )

    def need_store(self) -> None:
        """BadConfig unless a tracking store is named: there is no default for whose evidence."""
        if not self.tracking_uri:
            raise BadConfig(
                "no tracking store is configured",
                "set EVIDENCE_SERVICE_TRACKING_URI (or MLFLOW_TRACKING_URI)",
            )


def embedded(home: Path) -> str:
    """The URL of the database that a home holds where no other is named."""
    return f"sqlite:///{home / 'evidence.db'}"


def _without_credentials(uri: str) -> str:
    try:
        userinfo, at, _ = urlsplit(uri).netloc.rpartition("@")
    except ValueError:
        raise BadConfig("the tracking URI is no URI", "see EVIDENCE_SERVICE_TRACKING_URI") from None
    return uri.replace(userinfo + at, "", 1).partition("?")[0].rstrip("/")


def _bytes(text: str | None) -> int:
    if text is None:
        return SCRATCH_BYTES
    if not text.isdigit() or int(text) < 1 << 20:
        mend = "give a number of bytes, at least 1048576"
        raise BadConfig(f"{PREFIX}SCRATCH_BYTES is {text!r}", mend)
    return int(text)
