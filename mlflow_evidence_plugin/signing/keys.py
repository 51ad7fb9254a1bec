"""The service's own key: a PEM file, or one that never leaves a vault or a module."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.exceptions import Error, UnsupportedLibraryError
from securesystemslib.signer import AzureSigner, CryptoSigner, Signature, Signer

from ..errors import BadConfig, SigningFailed
from .trust import PublicKey

_PATIENCE = {"connection_timeout": 5, "read_timeout": 5, "retry_total": 1, "retry_status": 0}
"""Azure's client waits for minutes, or as long as the vault asks for; we retry whole captures."""

_MAKE = "make one: openssl ecparam -name prime256v1 -genkey -noout"


@dataclass(frozen=True)
class SigningKey:
    """An ECDSA P-256 key, and its public part."""

    signer: Any = field(repr=False)
    public: PublicKey

    @property
    def id(self) -> str:
        """The SHA-256, in hex, of the public PEM."""
        return self.public.id

    @property
    def public_pem(self) -> bytes:
        """The public key, as PEM."""
        return self.public.pem

    def sign(self, data: bytes) -> bytes:
        """The signature, DER. SigningFailed when a vault does not answer, or refuses."""
        try:
            made: Signature = self.signer.sign(data)
            return bytes.fromhex(made.signature)
        except Exception as error:  # each vault's client has errors of its own
            status = getattr(error, "status_code", None)
            answered = f", HTTP {status}" if isinstance(status, int) else ""
            raise SigningFailed(
                f"the signing key did not sign: {type(error).__name__}{answered}",
                "see that the vault is up and lets this identity sign",
            ) from error

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
            said = f"the signing key {path} is not an unencrypted PEM private key"
            raise BadConfig(said, _MAKE) from error
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
            raise BadConfig(f"the signing key {path} is not an ECDSA P-256 key", _MAKE)
        return cls._of(CryptoSigner(private))

    @classmethod
    def at(cls, uri: str, public_pem: bytes) -> SigningKey:
        """A key behind a signer's URI, such as `azurekms://…`, with its public part as PEM.

        Signs once, to find out. BadConfig when that fails, or the two are no pair.
        """
        public = PublicKey.of(public_pem)
        mend = "see that the URI is right, its extra is installed, and this identity may sign"
        try:
            key = cls(_impatient(Signer.from_priv_key_uri(uri, public.verifier)), public)
        except (Error, UnsupportedLibraryError, ValueError, KeyError, OSError) as error:
            raise BadConfig(f"the signing key's URI cannot be used: {error}", mend) from error
        try:
            made = key.sign(public.pem)
        except SigningFailed as error:
            raise BadConfig(f"the signing key cannot be used: {error.detail}", mend) from error
        if not public.signed(public.pem, made):
            said = "the signing key and EVIDENCE_SERVICE_SIGNING_PUBLIC_KEY are no pair"
            raise BadConfig(said, "export the public key of that version of the key")
        return key

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
        return cls(signer, PublicKey.of(signer.public_key.keyval["public"].encode()))


def _impatient(signer: Any) -> Any:
    if isinstance(signer, AzureSigner):
        from azure.identity import DefaultAzureCredential
        from azure.keyvault.keys.crypto import CryptographyClient

        uri, identity = signer.crypto_client.key_id, DefaultAzureCredential(**_PATIENCE)
        signer.crypto_client = CryptographyClient(uri, identity, **_PATIENCE)
    return signer


def _forbidden(found: os.stat_result) -> int:
    # As PostgreSQL has it: a key that root owns, and gave to our group to read, is one that an
    # orchestrator mounted for us.
    mounted = found.st_uid == 0 and os.geteuid() != 0
    group = stat.S_IWGRP | stat.S_IXGRP if mounted else stat.S_IRWXG
    return group | stat.S_IRWXO
