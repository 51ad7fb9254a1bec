"""Signed notes (https://c2sp.org/signed-note): a text, and lines of signatures below it."""

from __future__ import annotations

import base64
import re

from ..errors import BadEnvelope, BadSignature
from .keys import SigningKey
from .trust import Keyring, PublicKey

SIZE_LIMIT = 64 << 10
_HINT_BYTES = 4
_LINE = re.compile(r"— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/]+={0,2})")


def sign_note(text: str, name: str, key: SigningKey) -> str:
    """The note: `text`, which ends in a newline, an empty line and our signature.

    The first four bytes of the signature name the key, as they do for ECDSA keys in the logs of
    Sigstore: the beginning of the SHA-256 of its DER form.
    """
    made = key.public.log_hint + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(made).decode()}\n"


def open_note(note: str, name: str, trusted: Keyring) -> tuple[str, PublicKey]:
    """Verify, then hand out the text, and whose signature it was. BadEnvelope or BadSignature.

    Signatures of others (witnesses) may stand beside ours.
    """
    text, empty, lines = note.rpartition("\n\n")
    if len(note) > SIZE_LIMIT or not empty or not note.endswith("\n"):
        raise BadEnvelope("not a signed note")
    found = [_LINE.fullmatch(line) for line in lines[:-1].split("\n")]
    if None in found:
        raise BadEnvelope("not a signed note: a line of its signatures is none")
    try:
        signed = (text + "\n").encode()
    except UnicodeEncodeError as error:
        raise BadEnvelope("not a signed note: it is not UTF-8") from error
    for one in found:
        if one and one["name"] == name and (key := _signer(signed, one["signature"], trusted)):
            return text + "\n", key
    raise BadSignature(
        f"no key that you trust signed this note as {name}",
        "it was altered, or is of another log: get the note and the key anew",
    )


def _signer(signed: bytes, encoded: str, trusted: Keyring) -> PublicKey | None:
    try:
        made = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise BadEnvelope("not a signed note: a signature is no base64") from error
    hint, signature = made[:_HINT_BYTES], made[_HINT_BYTES:]
    for key in trusted.keys:
        if key.log_hint == hint and key.signed(signed, signature):
            return key
    return None
