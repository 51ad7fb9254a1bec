"""The composition root: settings to a service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .collect import MlflowStore, Roots
from .errors import BadConfig, StorageUnavailable
from .policy import Policy, parse
from .policy.decision import rfc3339
from .service import Capturing, Deciding, Evidence, Ingesting, Issuing
from .service.gathering import Gathering
from .service.linking import Linking
from .service.timestamping import Timestamping
from .settings import EMBEDDED_KEY, MLFLOW_CLIENT, Settings, embedded
from .signing import Signer, SigningKey, read_signers
from .storage import (
    Approvals,
    Attestations,
    Bundles,
    Captures,
    Database,
    Decisions,
    Keys,
    KnownKey,
    Ledger,
    Standing,
    Statements,
    Tokens,
)
from .storage.timestamps import Timestamps

FIRST_TOKEN = "token"  # noqa: S105 - a file's name
EVERYTHING = ("*",)


def now() -> datetime:
    """The clock of a running service: UTC."""
    return datetime.now(timezone.utc)


def prepare(settings: Settings) -> None:
    """First start: the home, the database's schema, the key and the first token.

    Idempotent. What is secret is written with mode 0600 and never printed.
    """
    _make_home(settings)
    database = Database(settings.database_url)
    try:
        database.migrate()
        _make_key(settings)
        key = _key(settings)
        Keys(database).known(key.id, key.public_pem.decode(), rfc3339(now()))
        _first_token(settings, Tokens(database))
    finally:
        database.dispose()


def build(settings: Settings, away: bool = False) -> Evidence:
    """The service on its parts. Call `prepare` once before.

    StorageUnavailable when the database does not answer, unless it may be `away` for now.
    """
    settings.need_store()
    _make_home(settings)
    for name, value in MLFLOW_CLIENT.items():
        os.environ.setdefault(name, value)
    database = Database(settings.database_url)
    try:
        database.check()
    except StorageUnavailable:
        if not away:
            raise
    roots = (
        Roots(settings.artifact_roots)
        if settings.artifact_roots
        else Roots.of_store(settings.tracking_uri)
    )
    store = MlflowStore(settings.tracking_uri, settings.registry_uri, roots, settings.scratch_bytes)
    bundles = Bundles(database, settings.store_id)
    decisions = Decisions(database, settings.store_id)
    issuing = Issuing(_key(settings), Keys(database), Ledger(database), now)
    captures = Captures(database)
    signers = _signers(settings)
    gathering = Gathering(
        store,
        settings.store_id,
        bundles,
        Statements(database),
        Approvals(database, settings.store_id),
        Standing(database, settings.store_id),
        decisions,
        issuing,
        signers,
    )
    return Evidence(
        Capturing(store, settings.store_id, database, captures, bundles, issuing, now),
        Deciding(gathering, decisions, _policy(settings), now),
        Ingesting(Attestations(database, settings.store_id), bundles, signers, now),
        Tokens(database),
        now,
        settings.write_back,
    )


def timestamping(settings: Settings, capturing: Capturing) -> Timestamping | None:
    """What gets timestamps for all that is signed; None where no authority is named."""
    if settings.timestamp_url is None:
        return None
    kept = Timestamps(capturing.database)
    return Timestamping(settings.timestamp_url, kept, capturing.issuing)


def linking(settings: Settings, evidence: Evidence) -> Linking | None:
    """What writes links to evidence into MLflow; None where it may not."""
    if not settings.write_back:
        return None
    capturing = evidence.capturing
    return Linking(capturing.store, capturing.bundles, settings.public_url)


def told_consumers(settings: Settings) -> bytes | None:
    """What the file says of the systems that ask in their own words; None where there is none."""
    path = settings.consumers_file
    return _told(path, "consumers file", "CONSUMERS_FILE") if path else None


def open_tokens(settings: Settings) -> Tokens:
    """The table of tokens alone: for the operator, who needs no MLflow to make one."""
    database = open_database(settings)
    if database.is_new():
        database.migrate()
    database.check()
    return Tokens(database)


def open_database(settings: Settings) -> Database:
    """The database alone, as it is: for the operator. A home is made only where it is in there."""
    if settings.database_url == embedded(settings.home):
        _make_home(settings)
    return Database(settings.database_url)


def rotate_key(settings: Settings, overlap: timedelta) -> tuple[KnownKey, KnownKey]:
    """Put a new key in the place of the file's: the old one and the new one.

    Parts of the service that run may sign with the old one until `overlap` has passed.
    """
    if settings.signing_uri:
        mend = "make a new version of it there, and name that in EVIDENCE_SERVICE_SIGNING_KEY"
        raise BadConfig("the signing key is in a vault", mend)
    path = settings.signing_key
    old = SigningKey.load(path)
    draft = path.with_name(f".{path.name}.next")
    draft.unlink(missing_ok=True)
    new = SigningKey.create(draft)
    database = open_database(settings)
    try:
        database.check()
        keys, at = Keys(database), now()
        keys.known(old.id, old.public_pem.decode(), rfc3339(at))
        known = keys.known(new.id, new.public_pem.decode(), rfc3339(at))
        retired = keys.retire(old.id, rfc3339(at + overlap))
    finally:
        database.dispose()
    path.rename(path.with_name(f"{path.stem}-{old.id[:8]}{path.suffix}"))
    draft.rename(path)
    return retired, known


def inspect(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Look at a home without changing it: each part's name, how it is, and what it lacks.

    Raises what is wrong.
    """
    if not settings.signing_uri and not settings.signing_key.exists():
        mend = "start it once: python -m api prepare"
        raise BadConfig(f"there is no signing key at {settings.signing_key}", mend)
    key = _load_key(settings)
    yield "signing key", f"{settings.signing_uri or settings.signing_key}, id {key.id}", ""
    database = Database(settings.database_url)
    try:
        database.check()
    finally:
        database.dispose()
    yield "database", f"{database.shown} answers", ""
    policy = _policy(settings)
    if policy:
        yield "policy", policy.digest, ""
    else:
        mend = "set EVIDENCE_SERVICE_POLICY_FILE; docs/policy.md says what to write"
        yield "policy", "none in this shell's settings, so that they allow no release", mend


def _make_home(settings: Settings) -> None:
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(settings.home, os.W_OK | os.X_OK):
            raise PermissionError(13, "not writable", str(settings.home))
    except OSError as error:
        raise BadConfig(
            f"the service's home {settings.home} cannot be used: {error.strerror}",
            "set EVIDENCE_SERVICE_HOME to a folder that this user may write",
        ) from error


def _make_key(settings: Settings) -> None:
    """The embedded default only: a key that was named elsewhere is somebody's to make."""
    if settings.signing_uri or settings.signing_key != settings.home / EMBEDDED_KEY:
        return
    if settings.signing_key.exists():
        return
    try:
        SigningKey.create(settings.signing_key)
    except OSError as error:
        mend = "set EVIDENCE_SERVICE_HOME to a folder that this user may write"
        raise BadConfig(f"no signing key can be made: {error.strerror}", mend) from error


def _key(settings: Settings) -> SigningKey:
    key = _load_key(settings)
    public = settings.home / "public-key.pem"
    if not public.exists() or public.read_bytes() != key.public_pem:
        public.write_bytes(key.public_pem)
    return key


def _load_key(settings: Settings) -> SigningKey:
    if settings.signing_uri is None:
        return SigningKey.load(settings.signing_key)
    mend = "set EVIDENCE_SERVICE_SIGNING_PUBLIC_KEY to a PEM file: the vault's public key"
    if settings.signing_public_key is None:
        raise BadConfig("a signing key in a vault needs its public part in a file", mend)
    try:
        public = settings.signing_public_key.read_bytes()
    except OSError as error:
        said = f"the public key {settings.signing_public_key} cannot be read: {error.strerror}"
        raise BadConfig(said, mend) from error
    return SigningKey.at(settings.signing_uri, public)


def _first_token(settings: Settings, tokens: Tokens) -> None:
    path = settings.home / FIRST_TOKEN
    made = tokens.create_first("first-start", ("evidence:read", "capture", "admin"), rfc3339(now()))
    if made is None:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(made + "\n")


def _signers(settings: Settings) -> tuple[Signer, ...]:
    path = settings.trusted_signers
    return read_signers(_told(path, "trusted signers", "TRUSTED_SIGNERS")) if path else ()


def _policy(settings: Settings) -> Policy | None:
    path = settings.policy_file
    return parse(_told(path, "policy file", "POLICY_FILE")) if path else None


def _told(path: Path, what: str, setting: str) -> bytes:
    """The bytes of a file that a setting names."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadConfig(
            f"the {what} {path} cannot be read: {error.strerror}",
            f"set EVIDENCE_SERVICE_{setting} to a readable file",
        ) from error
