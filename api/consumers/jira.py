"""Jira: a comment to fetch, and, when configured, told of verdicts.

https://developer.atlassian.com/cloud/jira/platform/rest/v3/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Response, jsonify
from marshmallow import post_load

from mlflow_evidence_plugin.render.adf import verdict_adf
from mlflow_evidence_plugin.render.change import change_fields

from ..address import own_address
from ..auth import SECURITY, requires
from ..contract import Blueprint, problems
from ..schemas.ticketing import CommentSchema, TicketCheckArgs
from .options import Options
from .outgoing import Outgoing, form_of
from .ticketing import Desk, Made, News, Part, TicketOptions, desk
from .told import exhibited

bp = Blueprint("jira", __name__, description="Issues of Jira")

NAME = "jira"
SCHEMES: dict[str, Any] = {}
TITLE_LIMIT = 255
_WORDS = {"passed": "allowed", "pending": "pending"}


@dataclass(frozen=True)
class Jira:
    """A site whose issues are told of verdicts."""

    desk: Desk

    def parts(self, news: News, outgoing: Outgoing) -> Iterator[Part]:
        """The link, which there is one of for a subject and environment; comment; files."""
        issue = f"rest/api/3/issue/{news.ticket}"
        if news.url:
            link = _link(news, news.url)
            tell = partial(self._post, outgoing, f"{issue}/remotelink", link)
            yield Part("link", tell, again=True)
        comment = {"body": verdict_adf(news.exhibit, news.environment, news.url)}
        yield Part("comment", partial(self._post, outgoing, f"{issue}/comment", comment))
        for name, made in news.files(self.desk.attach):
            yield Part(name, partial(self._attach, outgoing, f"{issue}/attachments", made))

    def _post(self, outgoing: Outgoing, path: str, document: dict[str, Any]) -> None:
        self.desk.send(outgoing, "POST", path, json.dumps(document).encode())

    def _attach(self, outgoing: Outgoing, path: str, made: Made) -> None:
        file = made()
        if file is None:
            return
        body, kind = form_of("file", file.name, file.data, file.media_type)
        headers = {"Content_Type": kind, "X_Atlassian_Token": "no-check"}
        self.desk.send(outgoing, "POST", path, body, **headers)


def _link(news: News, url: str) -> dict[str, Any]:
    """A remote link. The same `globalId` again is the same link, made anew."""
    verdict = news.verdict
    named = "\n".join((verdict["store"], verdict["subject"], verdict["environment"]))
    word = _WORDS.get(verdict["status"], "blocked")
    title = f"Evidence of {verdict['subject']} for {verdict['environment']}: {word}"
    codes = ", ".join(one["code"] for one in verdict["reasons"]) or "no reasons against it"
    return {
        "globalId": "mlflow-evidence:" + hashlib.sha256(named.encode()).hexdigest(),
        "relationship": "evidence",
        "application": {"type": "mlflow-evidence", "name": "MLflow evidence"},
        "object": {
            "url": url,
            "title": title[:TITLE_LIMIT],
            "summary": codes[:TITLE_LIMIT],
            "status": {"resolved": verdict["status"] == "passed"},
        },
    }


class JiraOptions(TicketOptions):
    """`[jira]` of the consumers file."""

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Jira:
        return Jira(desk(NAME, data))


OPTIONS: type[Options] = JiraOptions


@bp.get("/checks/jira/comment")
@requires("evidence:read")
@bp.arguments(TicketCheckArgs, location="query")
@bp.doc(security=SECURITY)
@bp.response(200, CommentSchema)
@problems(bp, 400, 401, 403, 404, 410, 422, 500, 502, 503)
def comment(args: dict[str, Any]) -> Response:
    """A verdict as a comment: `text`, and `body` in Atlassian Document Format."""
    exhibit, answer = exhibited(args)
    where = answer["environment"]
    body = verdict_adf(exhibit, where, f"{own_address()}bundles/{answer['record']}")
    said = {"text": change_fields(exhibit, where)["work_notes"], "body": body}
    response = jsonify(answer | said)
    response.headers["Cache-Control"] = "no-store"
    return response
