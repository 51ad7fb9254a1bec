"""Looks for secrets in a text file while its bytes go by to be hashed."""

from __future__ import annotations

from collections.abc import Sequence

from ..snapshot import Gap, Secret
from .detect import candidate, fingerprint, hits

TEXT_LIMIT = 1 << 20
"""Bytes of one text file that are scanned; what is longer is reported as not scanned."""

FINDINGS = 50
"""Findings kept of one file; a file of nothing but keys is said once more, not a million times."""


class TextObserver:
    """One file's scanner. Binary files, told by their first bytes, are left alone."""

    def __init__(self, place: str, salt: str) -> None:
        self.place, self.salt = place, salt
        self._kept = bytearray()
        self._text = True
        self._long = False

    def update(self, chunk: bytes) -> None:
        """The next bytes of the file."""
        if not self._text or self._long:
            return
        if b"\0" in chunk[:4096]:
            self._text = False
            self._kept.clear()
        elif len(self._kept) + len(chunk) > TEXT_LIMIT:
            self._text = _is_text(bytes(self._kept) or chunk[:4096])
            self._long = True
            self._kept.clear()
        else:
            self._kept += chunk

    def finish(self) -> Sequence[Secret | Gap]:
        """Each secret with its line; or a gap for a text too long to scan."""
        if not self._text:
            return ()
        if self._long:
            return (Gap(self.place, "not-scanned", f"text of more than {TEXT_LIMIT} bytes"),)
        try:
            text = self._kept.decode("utf-8")
        except UnicodeDecodeError:
            return ()
        return self._scan(text)

    def _scan(self, text: str) -> list[Secret | Gap]:
        found: list[Secret | Gap] = []
        for number, line in enumerate(text.splitlines(), 1):
            if candidate(line):
                where = f"{self.place}:{number}"
                for hit in hits(line, filename=self.place):
                    found.append(Secret(where, hit.kind, fingerprint(hit.text, self.salt)))
            if len(found) >= FINDINGS:
                reason = f"more than {FINDINGS} findings; the rest of the file was not scanned"
                return [*found[:FINDINGS], Gap(self.place, "not-scanned", reason)]
        return found


def _is_text(start: bytes) -> bool:
    try:
        start[:4096].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(start[:4096]) - 4  # a character cut at the end of the sample
    return True
