"""Bytes in, bytes out: keys, DSSE envelopes, bundles. The cryptography is securesystemslib's."""

from .envelope import Verified, compact, open_envelope, sign, signed_by
from .keys import SigningKey
from .note import open_note, sign_note
from .signers import Signer, read_signers
from .sigstore import bundle_of, open_bundle
from .trust import Keyring, PublicKey

__all__ = [
    "Keyring",
    "PublicKey",
    "Signer",
    "SigningKey",
    "Verified",
    "bundle_of",
    "compact",
    "open_bundle",
    "open_envelope",
    "open_note",
    "read_signers",
    "sign",
    "sign_note",
    "signed_by",
]
