"""ServiceNow, as far as we call it: the table API with its queries, and the attachment API.

https://www.servicenow.com/docs/r/api-reference/rest-apis/c_TableAPI.html
https://www.servicenow.com/docs/r/api-reference/rest-apis/c_AttachmentAPI.html
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.consumers.desks import Asked, Desk, Said

LENGTHS = {"short_description": 160}
COLUMNS = (
    "sys_id",
    "number",
    "short_description",
    "justification",
    "implementation_plan",
    "backout_plan",
    "test_plan",
)
BASE = "/api/now/table/change_request"


def failure(status: int, message: str, **headers: str) -> Said:
    return status, {"error": {"message": message, "detail": ""}, "status": "failure"}, headers


@dataclass
class ServiceNow(Desk):
    """An instance with change requests, what was noted on them and attached to them."""

    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)

    def new_change(self, number: str, **values: str) -> str:
        sys_id = uuid.uuid4().hex
        self.rows[sys_id] = dict.fromkeys(COLUMNS, "") | {"sys_id": sys_id, "number": number}
        self.rows[sys_id] |= values
        self.notes[sys_id] = []
        return sys_id

    def unknown(self) -> Said:
        return failure(401, "User Not Authenticated")

    def work(self, asked: Asked) -> Said:
        if asked.path == BASE and asked.method == "GET":
            return 200, {"result": self.query(asked.query)}
        if asked.path.startswith(f"{BASE}/") and asked.method == "PATCH":
            return self.patch(asked.path.removeprefix(f"{BASE}/"), asked.json)
        if asked.path == "/api/now/attachment/file" and asked.method == "POST":
            return self.attach(asked)
        return failure(400, f"Requested URI does not represent any resource: {asked.path}")

    def query(self, said: dict[str, str]) -> list[dict[str, str]]:
        """Conditions joined by `^`; one that is not understood is passed over, as by default."""
        found = list(self.rows.values())
        for condition in filter(None, said.get("sysparm_query", "").split("^")):
            column, _, value = condition.partition("=")
            if column in COLUMNS:
                found = [one for one in found if one[column] == value]
        names = said["sysparm_fields"].split(",") if "sysparm_fields" in said else COLUMNS
        limit = int(said.get("sysparm_limit", 10_000))
        return [{name: one[name] for name in names if name in one} for one in found[:limit]]

    def patch(self, sys_id: str, values: dict[str, str]) -> Said:
        if sys_id not in self.rows:
            return failure(404, "No Record found")
        for name, value in values.items():
            if name == "work_notes":
                self.notes[sys_id].append(value)
            elif name in COLUMNS:
                self.rows[sys_id][name] = value[: LENGTHS.get(name, 4000)]  # it says nothing of it
        return 200, {"result": self.rows[sys_id]}

    def attach(self, asked: Asked) -> Said:
        said, kind = asked.query, asked.headers.get("content-type")
        if not {"table_name", "table_sys_id", "file_name"} <= set(said) or not kind:
            return failure(400, "Missing parameter")
        if kind.startswith("multipart/"):
            return failure(400, "the body is the file itself")
        if said["table_name"] != "change_request" or said["table_sys_id"] not in self.rows:
            return failure(404, "No Record found")
        file = {**said, "content_type": kind, "data": asked.body}
        self.files.append(file)
        shown = {key: value for key, value in file.items() if key != "data"}
        return 201, {"result": shown | {"size_bytes": str(len(asked.body))}}
