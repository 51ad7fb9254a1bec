"""The service's own key, and the public keys that a verifier trusts."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import CryptoSigner, SSlibKey

from ..errors import BadConfig, NoTrust


@dataclass(frozen=True)
class SigningKey:
    """An ECDSA P-256 key. `id` is the SHA-256, in hex, of its public PEM."""

    signer: Any = field(repr=False)
    public_pem: bytes
    id: str

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read a PEM private key. BadConfig if it is missing, open to others, or not P-256."""
        try:
            found = path.stat()
            pem = path.read_bytes()
        except OSError as error:
            raise BadConfig(
                f"the signing key {path} cannot be read: {error.strerror}",
                "point EVIDENCE_SERVICE_SIGNING_KEY at a PEM file that this user may read",
            ) from error
        if os.name == "posix" and found.st_mode & _forbidden(found):
            raise BadConfig(f"the signing key {path} is open to others", f"chmod 600 {path}")
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadConfig(
                f"the signing key {path} is not an unencrypted PEM private key",
                "make one: openssl ecparam -name prime256v1 -genkey -noout",
            ) from error
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
            mend = "make one: openssl ecparam -name prime256v1 -genkey -noout"
            raise BadConfig(f"the signing key {path} is not an ECDSA P-256 key", mend)
        return cls._of(CryptoSigner(private))

    @classmethod
    def create(cls, path: Path) -> SigningKey:
        """Make a key and keep it at `path`, readable by its owner only.

        Whoever comes second, at the same moment, gets the first one's key.
        """
        made = CryptoSigner.generate_ecdsa()
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(made.private_bytes)
            os.link(draft, path)  # atomic, and never over an existing key
        except FileExistsError:
            return cls.load(path)
        finally:
            Path(draft).unlink()
        return cls.load(path)

    @classmethod
    def _of(cls, signer: CryptoSigner) -> SigningKey:
        pem = signer.public_key.keyval["public"].encode()
        return cls(signer, pem, hashlib.sha256(pem).hexdigest())


def _forbidden(found: os.stat_result) -> int:
    # As PostgreSQL has it: a key that root owns, and gave to our group to read, is one that an
    # orchestrator mounted for us.
    mounted = found.st_uid == 0 and os.geteuid() != 0
    group = stat.S_IWGRP | stat.S_IXGRP if mounted else stat.S_IRWXG
    return group | stat.S_IRWXO


@dataclass(frozen=True)
class Keyring:
    """Public keys that a verifier trusts, by their ids."""

    keys: tuple[tuple[str, Any], ...] = field(repr=False)

    @classmethod
    def of(cls, pems: Iterable[bytes]) -> Keyring:
        """From PEM public keys. NoTrust when there is none, BadConfig for what is not one."""
        keys = tuple(_public(pem) for pem in pems)
        if not keys:
            raise NoTrust(
                "no key to trust was given: a signature proves nothing without one",
                "give --key PUBLIC.pem, obtained from the service's operator",
            )
        return cls(keys)


def _public(pem: bytes) -> tuple[str, Any]:
    try:
        key = load_pem_public_key(pem)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("not an elliptic curve key")
        known = SSlibKey.from_crypto(key)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        mend = "give the PEM file that starts with -----BEGIN PUBLIC KEY-----"
        raise BadConfig("the key to trust is not a PEM public key (ECDSA P-256)", mend) from error
    text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(text).hexdigest(), known
