"""Jira Cloud, as far as we call it: remote links, comments in ADF, attachments.

https://developer.atlassian.com/cloud/jira/platform/rest/v3/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any

from tests.consumers.desks import Asked, Desk, Said

COMMENT_LIMIT = 32_767
BLOCKS = {"paragraph", "bulletList"}
MARKS = {"code", "strong", "link"}


def errors(status: int, said: str, **headers: str) -> Said:
    return status, {"errorMessages": [said], "errors": {}}, headers


def wrong_in(document: Any) -> str | None:
    """What is wrong with an ADF document, as far as we write any."""
    if not isinstance(document, dict) or set(document) != {"type", "version", "content"}:
        return "no document"
    if document["type"] != "doc" or document["version"] != 1 or not document["content"]:
        return "no doc of version 1"
    return next((said for one in document["content"] if (said := _wrong_block(one))), None)


def _wrong_block(node: Any) -> str | None:
    if set(node) != {"type", "content"} or not node["content"]:
        return f"a node without content: {node}"
    if node["type"] == "paragraph":
        return next((said for one in node["content"] if (said := _wrong_text(one))), None)
    if node["type"] != "bulletList":
        return f"an unknown block {node['type']}"
    for item in node["content"]:
        if item["type"] != "listItem" or not item["content"]:
            return "a list of something else"
        if item["content"][0]["type"] != "paragraph":
            return "a list item begins with a paragraph"
        if said := next((s for one in item["content"] if (s := _wrong_block(one))), None):
            return said
    return None


def _wrong_text(node: Any) -> str | None:
    if node["type"] != "text" or not node["text"] or not isinstance(node["text"], str):
        return f"no text: {node}"
    marks = [one["type"] for one in node.get("marks", [])]
    if not set(marks) <= MARKS or len(set(marks)) != len(marks):
        return f"unknown marks {marks}"
    if "code" in marks and not set(marks) <= {"code", "link"}:
        return "code goes with a link alone"
    return None


def text_of(node: Any) -> str:
    """All text of a document."""
    return node.get("text", "") + "".join(text_of(one) for one in node.get("content", []))


def length(text: str) -> int:
    """Its characters as Java counts them: UTF-16."""
    return len(text.encode("utf-16-le")) // 2


@dataclass
class Jira(Desk):
    """A site with issues."""

    links: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    comments: dict[str, list[Any]] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)

    def new_issue(self, key: str) -> str:
        self.comments[key] = []
        return key

    def unknown(self) -> Said:
        return errors(401, "Client must be authenticated to access this resource.")

    def work(self, asked: Asked) -> Said:
        found = re.fullmatch(r"/rest/api/3/issue/([^/]+)/(\w+)", asked.path)
        if found is None or asked.method != "POST":
            return errors(404, "null for uri")
        if found[1] not in self.comments:
            return errors(404, "Issue does not exist or you do not have permission to see it.")
        works = {"remotelink": self.link, "comment": self.comment, "attachments": self.attach}
        return works[found[2]](found[1], asked)

    def link(self, key: str, asked: Asked) -> Said:
        said = asked.json
        target = said.get("object", {})
        if not target.get("url") or not target.get("title"):
            return errors(400, "'url' and 'title' are required")
        if max(len(said.get("globalId", "")), len(target["title"])) > 255:
            return errors(400, "too long")
        place = key, said["globalId"]
        known = place in self.links
        self.links[place] = said
        return (200 if known else 201), {"id": 10_000 + len(self.links), "self": self.url}

    def comment(self, key: str, asked: Asked) -> Said:
        body = asked.json.get("body")
        if wrong_in(body) or length(text_of(body)) > COMMENT_LIMIT:
            return errors(400, f"INVALID_INPUT: {wrong_in(body)}")
        self.comments[key].append(body)
        return 201, {"id": str(len(self.comments[key])), "body": body}

    def attach(self, key: str, asked: Asked) -> Said:
        if asked.headers.get("x-atlassian-token") != "no-check":
            return errors(403, "XSRF check failed")
        head = f"Content-Type: {asked.headers.get('content-type')}\r\n\r\n".encode()
        parts = BytesParser().parsebytes(head + asked.body).get_payload()
        if not isinstance(parts, list):
            return errors(415, "Unsupported Media Type")
        for one in parts:
            if one.get_param("name", header="content-disposition") != "file":
                return errors(400, "the part is called file")
            file = {"key": key, "name": one.get_filename(), "type": one.get_content_type()}
            self.files.append(file | {"data": one.get_payload(decode=True)})
        return 200, [{"filename": one.get_filename()} for one in parts]
