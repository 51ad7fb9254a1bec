"""The service over REST, for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import requests
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from .errors import BadConfig, EvidenceError, ServiceUnavailable, by_code

TIMEOUT = 10.0
"""Seconds for a connection, and between two parts of an answer."""

PAGE = 500
"""Bundles asked for at a time."""


class EvidenceClient:
    """One service and one token. Errors are this project's own, as the service told them."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def capture(self, subject: dict[str, str], wait: int = 30) -> dict[str, Any]:
        """Order a capture of `{run_id}`, `{model, version}` or `{model, alias}`.

        Waits up to `wait` seconds (30 at the most); then the state may be `accepted` or `running`.
        """
        headers = {"Prefer": f"wait={wait}"}
        answer = self._ask("POST", "/v1/captures", json=subject, headers=headers, patience=wait)
        return _document(answer)

    def capture_state(self, capture_id: str) -> dict[str, Any]:
        """How a capture goes."""
        return _document(self._ask("GET", f"/v1/captures/{_part(capture_id)}"))

    def bundle(self, digest: str) -> bytes:
        """A bundle, by the digest of its record: the bytes that `verify` takes."""
        return self._ask("GET", f"/v1/bundles/{_part(digest)}").content

    def evidence(self, subject: dict[str, str], media_type: str = "application/json") -> bytes:
        """The newest bundle of a subject, in one of the formats that the service has."""
        headers = {"Accept": media_type}
        return self._ask("GET", f"/v1/{_path(subject)}/evidence", headers=headers).content

    def decide(self, subject: dict[str, str], environment: str | None) -> dict[str, Any]:
        """The decision on a model version. A denial is an answer, not an error."""
        asked = {"environment": environment} if environment else {}
        return _document(self._ask("GET", f"/v1/{_path(subject)}/decision", params=asked))

    def bundles(self) -> Iterator[dict[str, Any]]:
        """All evidence that the token may see, the newest first, a page at a time."""
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            asked = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
            answer = self._ask("GET", "/v1/bundles", params=asked)
            page = _document(answer)
            items, following = page.get("items"), page.get("next")
            if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
                raise _foreign(answer)
            yield from items
            if not following:
                return
            cursor = str(following)
            if cursor in seen:
                raise _foreign(answer)  # it would never end
            seen.add(cursor)

    def check(self) -> None:
        """An error unless the service answers, and to this token."""
        self._ask("GET", "/v1/bundles", params={"limit": 1})

    def _ask(self, method: str, path: str, patience: float = 0, **what: Any) -> requests.Response:
        try:
            answer = self._session.request(
                method,
                self.url + path,
                timeout=(TIMEOUT, TIMEOUT + patience),
                allow_redirects=False,  # a token goes to the one service that it is for
                **what,
            )
        except (InvalidSchema, InvalidURL, MissingSchema) as error:
            mend = "EVIDENCE_URL is like https://evidence.example.com"
            raise BadConfig(f"{self.url} is not the address of a service", mend) from error
        except (requests.RequestException, ValueError) as error:
            raise ServiceUnavailable(
                f"the evidence service does not answer: {type(error).__name__}",
                "see that EVIDENCE_URL is right and the service runs",
            ) from error
        if answer.status_code >= 300:
            raise _problem(answer)
        return answer


def _path(subject: dict[str, str]) -> str:
    if "run_id" in subject:
        return f"runs/{_part(subject['run_id'])}"
    model = f"models/{_part(subject['model'])}"
    if "version" in subject:
        return f"{model}/versions/{_part(subject['version'])}"
    return f"{model}/aliases/{_part(subject['alias'])}"


def _part(text: str) -> str:
    return quote(text, safe="")


def _document(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError as error:
        raise _foreign(answer) from error
    if not isinstance(found, dict):
        raise _foreign(answer)
    return found


def _problem(answer: requests.Response) -> EvidenceError:
    try:
        said = answer.json()
        return by_code(said["code"])(str(said["detail"]), str(said.get("mend", "")))
    except (ValueError, KeyError, TypeError):
        return _foreign(answer)


def _foreign(answer: requests.Response) -> ServiceUnavailable:
    said = f"what answers there (status {answer.status_code}) is not an evidence service"
    return ServiceUnavailable(said, "see that EVIDENCE_URL is right")
