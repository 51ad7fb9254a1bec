"""One tree of errors. Each has a stable code; the edges (HTTP, CLI) own status and exit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class EvidenceError(Exception):
    """Something this project refuses or cannot do.

    `detail` is safe to show to a caller; `mend` says what to do about it.
    """

    code: ClassVar[str] = "error"

    def __init__(self, detail: str, mend: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.mend = mend


class NotFound(EvidenceError):
    """The run, model, version, alias or record does not exist (or is not this caller's)."""

    code = "not-found"


class Erased(NotFound):
    """The evidence was erased: a signed tombstone says so, and the log still counts it.

    `facts` are what the tombstone says, for a caller who may see them.
    """

    code = "erased"

    def __init__(self, detail: str, mend: str = "", facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail, mend)
        self.facts = dict(facts or {})


class BadInput(EvidenceError):
    """The caller sent something that is malformed or of the wrong type."""

    code = "bad-input"


class ArchiveTooLarge(BadInput):
    """What was asked for would be an archive that no verifier takes."""

    code = "archive-too-large"


class Unauthorized(EvidenceError):
    """No token, or one that is unknown, expired or revoked."""

    code = "unauthorized"


class Forbidden(EvidenceError):
    """A valid token without the scope that this needs."""

    code = "forbidden"


class WriteBackOff(Forbidden):
    """The service was not told that it may write into MLflow."""

    code = "write-back-off"


class OwnRun(Forbidden):
    """Nobody approves what they had a hand in."""

    code = "own-run"


class Conflict(EvidenceError):
    """The request contradicts what is already there."""

    code = "conflict"


class KeyReused(EvidenceError):
    """An idempotency key came again with another request."""

    code = "idempotency-key-reused"


class StoreUnavailable(EvidenceError):
    """The MLflow server is down, slow, or answers what no MLflow server should. May pass."""

    code = "store-unavailable"


class StoreRefused(EvidenceError):
    """The MLflow server refused us: identity or permissions. Trying again will not help."""

    code = "store-refused"


class StillChanging(EvidenceError):
    """What an answer rests on did not hold still while it was made."""

    code = "still-changing"


class BadConfig(EvidenceError):
    """A setting, a policy file or a key file cannot be used as it is."""

    code = "bad-config"


class BadPolicy(BadConfig):
    """The policy file is not a policy."""

    code = "bad-policy"


class NoPolicy(EvidenceError):
    """No policy is configured: then nothing is allowed."""

    code = "no-policy"


class BadRecord(EvidenceError):
    """A document is not a record of a schema that we know."""

    code = "bad-record"


class BadSignature(EvidenceError):
    """A signature does not verify against the keys that the caller trusts."""

    code = "bad-signature"


class SigningFailed(EvidenceError):
    """The signing key's vault did not answer, or refused. May pass."""

    code = "signing-failed"


class KeyExpired(EvidenceError):
    """The signing key is no longer, or not yet, to be used."""

    code = "key-expired"


class BadEnvelope(EvidenceError):
    """Not a DSSE envelope, or not one with a statement of ours."""

    code = "bad-envelope"


class BadArchive(EvidenceError):
    """Not an archive as we write them, or one whose members contradict each other."""

    code = "bad-archive"


class BadMaterial(EvidenceError):
    """Bytes do not have the digest that they are named by."""

    code = "bad-material"


class BadVerdict(EvidenceError):
    """A signed verdict is not the one that policy and records give."""

    code = "bad-verdict"


class KeyOutOfTime(EvidenceError):
    """A signature was made when its key was not in use."""

    code = "key-out-of-time"


class BadTimestamp(EvidenceError):
    """A timestamp does not verify against the authorities that the caller trusts."""

    code = "bad-timestamp"


class BadLedger(EvidenceError):
    """A leaf, a proof or a head of the log does not hold."""

    code = "bad-ledger"


class LedgerRolledBack(BadLedger):
    """The log has fewer leaves than it had."""

    code = "ledger-rolled-back"


class LedgerForked(BadLedger):
    """The log is not a continuation of what it was."""

    code = "ledger-forked"


class NoTrust(EvidenceError):
    """Verification was asked for without a key to trust."""

    code = "no-trust"


class SchemaTooNew(EvidenceError):
    """The database was written by a newer version of this project."""

    code = "schema-too-new"


class SchemaTooOld(EvidenceError):
    """The database was written by an older version of this project, and is to be upgraded."""

    code = "schema-too-old"


class StorageUnavailable(EvidenceError):
    """The evidence service's own database cannot be used now. May pass."""

    code = "storage-unavailable"


class ServiceUnavailable(EvidenceError):
    """The evidence service cannot be reached, or does not answer as one. May pass."""

    code = "service-unavailable"


class Busy(ServiceUnavailable):
    """Too much is under way already. Passes."""

    code = "busy"


class CallbackRefused(BadInput):
    """An answer was asked for at an address that the service may not call."""

    code = "callback-refused"


class CallbackFailed(EvidenceError):
    """Another system did not take our answer. May pass."""

    code = "callback-failed"


class NotInstalled(EvidenceError):
    """This needs an extra that is not installed."""

    code = "not-installed"


def by_code(code: str) -> type[EvidenceError]:
    """The error with this code; the root of the tree for a code of a newer version."""
    kinds: list[type[EvidenceError]] = [EvidenceError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    return next((kind for kind in kinds if kind.code == code), EvidenceError)
