"""Bytes in, bytes out: keys and DSSE envelopes. The cryptography is securesystemslib's."""

from .envelope import Verified, open_envelope, sign
from .keys import Keyring, SigningKey

__all__ = ["Keyring", "SigningKey", "Verified", "open_envelope", "sign"]
