"""Timestamps over what was signed: asked for afterwards, so that nothing waits for them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from ..errors import BadSignature, BadTimestamp
from ..policy.decision import rfc3339
from ..signing import Keyring, PublicKey, open_envelope
from ..signing.timestamp import SIZE_LIMIT, Question
from ..storage.timestamps import Timestamps
from .issuing import Issuing

PATIENCE = (5.0, 10.0)
"""Seconds that the authority may take to be reached, and between two pieces of its answer."""

ANSWER_SECONDS = 20.0
"""Seconds that its whole answer may take."""

PAGE = 100
_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


@dataclass
class Timestamping:
    """The authority, and how far the log has its timestamps."""

    url: str = field(repr=False)
    timestamps: Timestamps
    issuing: Issuing
    _done: int = -1

    @property
    def authority(self) -> str:
        """Who is asked, without what may be secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def catch_up(self) -> int:
        """Get what is lacking: how many. BadTimestamp at the first that is not given.

        What lacks one then is asked for at the next call. A statement by a key that is retired gets
        none any more: it would say that the key signed after its end.
        """
        made = 0
        while page := self.timestamps.lacking(self._done, PAGE):
            # As they are now: another process may have retired one.
            known = self.issuing.keys.all()
            keys = (PublicKey.of(k.pem.encode(), k.not_before, k.not_after) for k in known)
            trusted = Keyring(tuple(keys))
            for one in page:
                if key := self._key_in_use(one.envelope, trusted):
                    self._stamp(one.digest, one.envelope, key)
                    made += 1
                self._done = one.place
        return made

    def _key_in_use(self, envelope: bytes, trusted: Keyring) -> PublicKey | None:
        try:
            key = open_envelope(envelope, trusted).key
        except BadSignature:  # of days when keys were not written down
            return None
        return None if key.outside(rfc3339(self.issuing.now())) else key

    def _stamp(self, digest: str, envelope: bytes, key: PublicKey) -> None:
        question = Question.about(envelope)
        answer = self._asked(question.data)
        stamp = question.answered(answer)
        if stamp.outside(key):
            raise BadTimestamp(f"{self.authority} says that it is {stamp.time}: see to its clock")
        self.timestamps.add(digest, answer, stamp.time, self.authority)

    def _asked(self, query: bytes) -> bytes:
        until, found = time.monotonic() + ANSWER_SECONDS, b""
        try:
            with requests.post(
                self.url,
                query,
                headers=_HEADERS,
                timeout=PATIENCE,
                stream=True,
                allow_redirects=False,
            ) as answer:
                if answer.status_code != 200:
                    raise BadTimestamp(f"{self.authority} answered HTTP {answer.status_code}")
                for piece in answer.iter_content(4096):
                    found += piece
                    if len(found) > SIZE_LIMIT or time.monotonic() > until:
                        raise BadTimestamp(f"{self.authority} does not come to an end")
        except requests.RequestException as error:
            # Its own words may hold the address, with a password.
            said = f"{self.authority} gave no answer: {type(error).__name__}"
            raise BadTimestamp(said) from error
        return found
