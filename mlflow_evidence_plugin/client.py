"""The service over REST, for other programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from .errors import BadConfig, EvidenceError, ServiceUnavailable, by_code

TIMEOUT = 10.0
"""Seconds for a connection, and between two parts of an answer."""

FETCHING = 600.0
"""Seconds more for the service to get files from MLflow, which it does before it answers."""

PAGE = 500
"""Bundles asked for at a time."""

STORE_PAGE = 100
"""Subjects of the inventory asked for at a time: the service asks the tracking store for each."""

STORE_PATIENCE, FILES_PATIENCE = 60.0, 600.0
"""Further seconds for an answer that the tracking store is asked for, and its files are read."""


class EvidenceClient:
    """One service and one token. Errors are this project's own, as the service told them."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Let go of the connection: a service that is stopped waits half a minute for it."""
        self._session.close()

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

    def archive(self, digest: str, size: int | None = None, artifacts: int = 0) -> Iterator[bytes]:
        """All that was signed about the bundle's subject, as a zip file, piece by piece.

        `size` is that of the log at a head which you keep; `artifacts` is how many bytes of the
        files that the record names may go with it.
        """
        asked = {} if size is None else {"size": size}
        asked |= {"artifacts": artifacts} if artifacts else {}
        path = f"/v1/bundles/{_part(digest)}/archive"
        patience = FETCHING if artifacts else 0
        answer = self._ask("GET", path, params=asked, stream=True, patience=patience)
        return _pieces(answer)

    def erase(self, digest: str, reason: str) -> dict[str, Any]:
        """Erase a record and all that was said of it: what the tombstone says."""
        path = f"/v1/bundles/{_part(digest)}/erasure"
        return _document(self._ask("POST", path, json={"reason": reason}))

    def checkpoint(self) -> str:
        """The signed head of the log: a note, which is to be verified first."""
        return self._ask("GET", "/v1/ledger/checkpoint").content.decode("utf-8", "replace")

    def growth(self, old: int, new: int) -> list[Any]:
        """The proof that the log of `old` leaves is the beginning of that of `new`, in base64."""
        asked = {"old": old, "new": new}
        answer = self._ask("GET", "/v1/ledger/consistency", params=asked)
        proof = _document(answer).get("proof")
        if not isinstance(proof, list):
            raise _foreign(answer)
        return proof

    @classmethod
    def fetch(cls, url: str, token: str) -> Iterator[bytes]:
        """What a service has at a whole URL: a bundle, or an archive; piece by piece."""
        return _pieces(cls("", token)._ask("GET", url, stream=True))

    def decide(
        self, subject: dict[str, str], environment: str | None, fresh: bool = True
    ) -> dict[str, Any]:
        """The decision on a model version. A denial is an answer, not an error.

        `fresh` has everything looked at anew; else it is the verdict that stands, which is sooner.
        """
        asked = {"environment": environment} if environment else {}
        headers = {"Cache-Control": "no-cache"} if fresh else {}
        path = f"/v1/{_path(subject)}/decision"
        return _document(self._ask("GET", path, params=asked, headers=headers))

    def approvals(self, digest: str) -> dict[str, Any]:
        """What people have said about a bundle's subject: `{approvals, waivers}`."""
        return _document(self._ask("GET", f"/v1/bundles/{_part(digest)}/approvals"))

    def approve(self, digest: str, told: dict[str, str]) -> dict[str, Any]:
        """Approve or reject: `{role, decision}`, maybe `approver, comment, ticket, expires_at`."""
        return _document(self._ask("POST", f"/v1/bundles/{_part(digest)}/approvals", json=told))

    def revoke(self, digest: str, statement: str, comment: str | None = None) -> dict[str, Any]:
        """Take an entry back."""
        path = f"/v1/bundles/{_part(digest)}/approvals/{_part(statement)}/revocation"
        told = {"comment": comment} if comment is not None else {}
        return _document(self._ask("POST", path, json=told))

    def waive(self, digest: str, told: dict[str, str]) -> dict[str, Any]:
        """Answer for a rule: `{environment, rule, reason, expires_at}`, maybe `ticket`."""
        return _document(self._ask("POST", f"/v1/bundles/{_part(digest)}/waivers", json=told))

    def explain(self, policy: bytes, **asked: Any) -> dict[str, Any]:
        """A page of what a policy would have blocked: `environment, model, since, cursor`."""
        headers = {"Content-Type": "application/yaml"}
        patience = FETCHING  # a page of large records and many rules takes its time
        path = "/v1/policies/explain"
        answer = self._ask(
            "POST", path, params=asked, data=policy, headers=headers, patience=patience
        )
        return _document(answer)

    def compare(self, named: Sequence[str], **directions: str) -> dict[str, Any]:
        """What differs between the first and each other: digests, or subjects as they are written.

        `higher` and `lower` are names of metrics, separated by commas.
        """
        base, *others = named
        asked = [("base", base), *(("other", one) for one in others), *directions.items()]
        return _document(self._ask("GET", "/v1/compare", params=asked))

    def history(self, experiment: str, media_type: str = "application/json", **asked: Any) -> bytes:
        """A `metric` over the runs of an experiment; as `image/svg+xml` or `image/png` the plot."""
        path = f"/v1/experiments/{_part(experiment)}/history"
        return self._ask("GET", path, params=asked, headers={"Accept": media_type}).content

    def bundles(self) -> Iterator[dict[str, Any]]:
        """All evidence that the token may see, the newest first, a page at a time."""
        return self._listed("/v1/bundles", {"limit": PAGE})

    def drift(self, digest: str, contents: bool = False) -> dict[str, Any]:
        """What changed in MLflow since a record was signed; `contents` reads every file."""
        path = f"/v1/bundles/{_part(digest)}/drift"
        asked = {"artifacts": "true"} if contents else {}
        patience = FILES_PATIENCE if contents else STORE_PATIENCE
        return _document(self._ask("GET", path, params=asked, patience=patience))

    def inventory(self, which: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Pages of what there is: `items`, and `problem` where the store could not be asked."""
        return self._pages("/v1/inventory", {"limit": STORE_PAGE, **which}, STORE_PATIENCE)

    def ticket(self, key: str) -> dict[str, Any]:
        """All that belongs to a change ticket: `ticket, items`."""
        path = f"/v1/tickets/{_part(key)}/bundles"
        return {"ticket": key, "items": list(self._listed(path, {}))}

    def policy(self) -> str:
        """The digest of the policy in force; NoPolicy."""
        return str(_document(self._ask("GET", "/v1/policies/current"))["digest"])

    def trust(self) -> dict[str, Any]:
        """The keys that the service has signed with."""
        return _document(self._ask("GET", "/v1/trust"))

    def unstamped(self, **which: str) -> Iterator[dict[str, Any]]:
        """Runs without our tags: of one `experiment`, or the one with `run_id`, or all."""
        return self._listed("/v1/runs/unstamped", which)

    def stamp(self, run_id: str, values: dict[str, str]) -> dict[str, Any]:
        """Stamp such a run; what it got is under `stamped`."""
        path = f"/v1/runs/{_part(run_id)}/stamp"
        return _document(self._ask("POST", path, json={"values": values}))

    def check(self) -> None:
        """An error unless the service answers, and to this token."""
        self._ask("GET", "/v1/bundles", params={"limit": 1})

    def _listed(self, path: str, which: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for page in self._pages(path, which):
            yield from page["items"]

    def _pages(
        self, path: str, which: Mapping[str, Any], patience: float = 0
    ) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            asked = {**which, **({"cursor": cursor} if cursor else {})}
            answer = self._ask("GET", path, params=asked, patience=patience)
            page = _document(answer)
            items, following = page.get("items"), page.get("next")
            if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
                raise _foreign(answer)
            yield page
            if not following:
                return
            cursor = str(following)
            if cursor in seen:
                raise _foreign(answer)  # it would never end
            seen.add(cursor)

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


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(1 << 20)
    except requests.RequestException as error:
        said = "the evidence service broke off in the middle of its answer"
        raise ServiceUnavailable(said, "try again") from error


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
