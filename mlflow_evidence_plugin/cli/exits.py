"""Exit codes, by error."""

from __future__ import annotations

from .. import errors
from ..errors import EvidenceError

EXIT: dict[type[EvidenceError], int] = {
    errors.BadSignature: 3,
    errors.BadEnvelope: 3,
    errors.BadRecord: 3,
    errors.BadLedger: 3,
    errors.BadArchive: 3,
    errors.BadMaterial: 3,
    errors.BadVerdict: 3,
    errors.BadTimestamp: 3,
    errors.KeyOutOfTime: 3,
    errors.NoTrust: 3,
    errors.NotFound: 4,
    errors.Unauthorized: 5,
    errors.Forbidden: 5,
    errors.StoreRefused: 5,
    errors.StoreUnavailable: 6,
    errors.StorageUnavailable: 6,
    errors.SigningFailed: 6,
    errors.ServiceUnavailable: 6,
    errors.BadConfig: 7,
    errors.NoPolicy: 7,
    errors.KeyExpired: 7,
    errors.SchemaTooNew: 7,
    errors.SchemaTooOld: 7,
    errors.NotInstalled: 7,
    errors.BadInput: 2,
    errors.KeyReused: 2,
    errors.Conflict: 2,
}
"""1 is a denial, a failed check, or what was done in part only; 70 what nobody foresaw."""

DENIED = 1
INCOMPLETE = 1
UNVERIFIED = 3
AWAY = 6
UNEXPECTED = 70
INTERRUPTED = 130


def exit_code(error: EvidenceError) -> int:
    """The exit code of one of our errors."""
    return next((code for kind, code in EXIT.items() if isinstance(error, kind)), UNEXPECTED)
