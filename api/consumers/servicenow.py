"""ServiceNow: the fields of a change request to fetch, and, when configured, told of verdicts.

https://www.servicenow.com/docs/r/api-reference/rest-apis/c_TableAPI.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify
from marshmallow import post_load

from mlflow_evidence_plugin.render.change import MARK, change_fields

from ..auth import SECURITY, requires
from ..contract import Blueprint, problems
from ..schemas.ticketing import ChangeSchema, TicketCheckArgs
from .options import Options
from .outgoing import Outgoing
from .ticketing import Desk, Made, News, NotTaken, Part, TicketOptions, desk
from .told import exhibited

bp = Blueprint("servicenow", __name__, description="Change requests of ServiceNow")

NAME = "servicenow"
SCHEMES: dict[str, Any] = {}
TABLE = "change_request"
NOTES = "work_notes"
_SYS_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class ServiceNow:
    """An instance whose change requests are told of verdicts."""

    desk: Desk

    def parts(self, news: News, outgoing: Outgoing) -> Iterator[Part]:
        """Fields and work note, then the files."""
        fields = change_fields(news.exhibit, news.environment)
        found = self._find(outgoing, news.ticket, fields)
        mine = {
            name: text
            for name, text in fields.items()
            if name == NOTES or not found[name] or str(found[name]).startswith(MARK)
        }
        mine[NOTES] += f"\n{news.url}" if news.url else ""
        yield Part("fields", partial(self._patch, outgoing, found["sys_id"], mine))
        for name, made in news.files(self.desk.attach):
            yield Part(name, partial(self._attach, outgoing, found["sys_id"], made))

    def _find(self, outgoing: Outgoing, number: str, fields: dict[str, str]) -> dict[str, Any]:
        """The change request with that very number, as it is now; NotTaken."""
        wanted = [name for name in fields if name != NOTES]
        query = {
            "sysparm_query": f"number={number}",
            "sysparm_fields": ",".join(["sys_id", "number", *wanted]),
            "sysparm_limit": "2",
        }
        path = f"api/now/table/{TABLE}?{urlencode(query)}"
        answer = self.desk.ask(outgoing, path)
        rows = answer.get("result") if isinstance(answer, dict) else None
        # A query that ServiceNow does not understand is answered with whatever there is.
        found = [r for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []
        exact = [one for one in found if one.get("number") == number]
        if len(exact) != 1 or not _SYS_ID.fullmatch(str(exact[0].get("sys_id"))):
            mend = "see that it is a change request, and that this user may read it"
            raise NotTaken(f"there is no change request {number}", mend, 404, None)
        return dict.fromkeys(wanted, "") | exact[0]

    def _patch(self, outgoing: Outgoing, sys_id: str, fields: dict[str, str]) -> None:
        path, body = f"api/now/table/{TABLE}/{sys_id}", json.dumps(fields).encode()
        self.desk.send(outgoing, "PATCH", path, body)

    def _attach(self, outgoing: Outgoing, sys_id: str, made: Made) -> None:
        file = made()
        if file is None:
            return
        query = {"table_name": TABLE, "table_sys_id": sys_id, "file_name": file.name}
        path = f"api/now/attachment/file?{urlencode(query)}"
        self.desk.send(outgoing, "POST", path, file.data, Content_Type=file.media_type)


class ServiceNowOptions(TicketOptions):
    """`[servicenow]` of the consumers file."""

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> ServiceNow:
        return ServiceNow(desk(NAME, data))


OPTIONS: type[Options] = ServiceNowOptions


@bp.get("/checks/servicenow/change")
@requires("evidence:read")
@bp.arguments(TicketCheckArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, ChangeSchema)
@problems(bp, 400, 401, 403, 404, 410, 422, 500, 502, 503)
def change(args: dict[str, Any]) -> Response:
    """The fields of a change request, filled from evidence and verdict, as plain text.

    Each is within the length that ServiceNow has for it.
    """
    exhibit, answer = exhibited(args)
    response = jsonify(answer | {"change": change_fields(exhibit, answer["environment"])})
    response.headers["Cache-Control"] = "no-store"
    return response
