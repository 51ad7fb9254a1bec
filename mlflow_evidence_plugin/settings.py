"""The service's settings: from the environment only, read once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .errors import BadConfig

PREFIX = "EVIDENCE_SERVICE_"
DEFAULT_HOME = "~/.mlflow-evidence"
NO_STORE = "set EVIDENCE_SERVICE_TRACKING_URI (or MLFLOW_TRACKING_URI)"
EMBEDDED_KEY = "signing-key.pem"
SCRATCH_BYTES = 4 << 30

_SIGNER = re.compile(r"[a-z][a-z0-9]+:")
"""The scheme of a signer's URI, such as `azurekms:`; a path has none."""

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
    consumers_file: Path | None
    signing_key: Path
    signing_uri: str | None = field(repr=False)
    """A key that is in a vault or a module, and then the file with its public part."""
    signing_public_key: Path | None
    trusted_signers: Path | None
    timestamp_url: str | None = field(repr=False)
    public_url: str | None
    """Where people reach the service: what links to it begins with. Without a `/` at its end."""
    artifact_roots: tuple[str, ...]
    scratch_bytes: int
    write_back: bool
    tls_cert: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    """Where the service speaks TLS itself; with a CA, only to clients with a certificate of it."""

    @classmethod
    def read(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """From variables `EVIDENCE_SERVICE_…`; BadConfig names the one that cannot be used."""

        def get(name: str) -> str | None:
            return env.get(PREFIX + name, "").strip() or None

        home = Path(get("HOME") or DEFAULT_HOME).expanduser().absolute()
        tracking = get("TRACKING_URI") or env.get("MLFLOW_TRACKING_URI", "").strip()
        policy, key, public = (get(n) for n in ("POLICY_FILE", "SIGNING_KEY", "SIGNING_PUBLIC_KEY"))
        signers, consumers = get("TRUSTED_SIGNERS"), get("CONSUMERS_FILE")
        in_vault = bool(key and _SIGNER.match(key))
        tls = {name: get(name) for name in ("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA")}
        return cls(
            home=home,
            database_url=get("DATABASE_URL") or embedded(home),
            tracking_uri=tracking,
            registry_uri=get("REGISTRY_URI") or env.get("MLFLOW_REGISTRY_URI", "").strip() or None,
            store_id=get("STORE_ID") or _without_credentials(tracking),
            policy_file=Path(policy).expanduser().absolute() if policy else None,
            consumers_file=Path(consumers).expanduser().absolute() if consumers else None,
            signing_key=_key_file(home, None if in_vault else key),
            signing_uri=key if in_vault else None,
            signing_public_key=Path(public).expanduser() if public else None,
            trusted_signers=Path(signers).expanduser() if signers else None,
            timestamp_url=_web_address("TIMESTAMP_URL", get("TIMESTAMP_URL")),
            public_url=_public("PUBLIC_URL", get("PUBLIC_URL")),
            artifact_roots=tuple((get("ARTIFACT_ROOTS") or "").split()),
            scratch_bytes=_bytes(get("SCRATCH_BYTES")),
            write_back=_switch("WRITE_BACK", get("WRITE_BACK")),
            **_tls(tls),
        )

    def need_store(self, mend: str = NO_STORE) -> None:
        """BadConfig unless a tracking store is named: there is no default for whose evidence."""
        if not self.tracking_uri:
            raise BadConfig("no tracking store is configured", mend)


def embedded(home: Path) -> str:
    """The URL of the database that a home holds where no other is named."""
    return f"sqlite:///{home / 'evidence.db'}"


def _tls(named: Mapping[str, str | None]) -> dict[str, Path | None]:
    """The files of TLS; BadConfig: half of a configuration would be none, and not be noticed."""
    given = {name for name, text in named.items() if text}
    if given and not {"TLS_CERT", "TLS_KEY"} <= given:
        lacking = " and ".join(f"{PREFIX}{one}" for one in sorted({"TLS_CERT", "TLS_KEY"} - given))
        raise BadConfig(f"for TLS {lacking} is missing", "name certificate and key, in PEM files")
    found = {name: Path(text).expanduser() if text else None for name, text in named.items()}
    for name, path in found.items():
        if path is not None and not os.access(path, os.R_OK):
            raise BadConfig(f"{PREFIX}{name}: {path} cannot be read", "name a readable PEM file")
    return {name.lower(): path for name, path in found.items()}


def _key_file(home: Path, named: str | None) -> Path:
    return Path(named).expanduser() if named else home / EMBEDDED_KEY


def _without_credentials(uri: str) -> str:
    try:
        userinfo, at, _ = urlsplit(uri).netloc.rpartition("@")
    except ValueError:
        raise BadConfig("the tracking URI is no URI", "see EVIDENCE_SERVICE_TRACKING_URI") from None
    return uri.replace(userinfo + at, "", 1).partition("?")[0].rstrip("/")


def _web_address(name: str, text: str | None) -> str | None:
    try:
        parts = urlsplit(text or "https://none")
        if parts.scheme in ("http", "https") and parts.hostname:
            return text
    except ValueError:
        pass  # its words would show the address, with a password
    raise BadConfig(f"{PREFIX}{name} is no web address", "give one that begins with https://")


def _public(name: str, text: str | None) -> str | None:
    """An address that is shown to everybody, so that it holds nothing but where."""
    parts = urlsplit(_web_address(name, text) or "")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise BadConfig(f"{PREFIX}{name} holds more than an address", "give scheme, host and path")
    return text.rstrip("/") if text else None


def _bytes(text: str | None) -> int:
    if text is None:
        return SCRATCH_BYTES
    if not text.isdigit() or int(text) < 1 << 20:
        mend = "give a number of bytes, at least 1048576"
        raise BadConfig(f"{PREFIX}SCRATCH_BYTES is {text!r}", mend)
    return int(text)


def _switch(name: str, text: str | None) -> bool:
    if text not in (None, "true", "false"):
        # Neither "yes" nor "0" is guessed at: it is about writing into somebody's store.
        raise BadConfig(f"{PREFIX}{name} is {text!r}", "give true or false")
    return text == "true"
