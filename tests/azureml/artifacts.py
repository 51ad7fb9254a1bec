"""The artifact service, which hands out signed addresses, and the blob storage behind them."""

from __future__ import annotations

import re
import threading
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from werkzeug.wrappers import Request, Response

from .answers import fail, reply, storage_fail
from .names import ACCOUNT, CONTAINER, HOST

HEAD = {
    "ETag": '"0x8D"',
    "Last-Modified": "Mon, 05 Jan 2026 00:00:00 GMT",
    "x-ms-blob-type": "BlockBlob",
}


class Artifacts:
    """Artifacts of runs and models, as the service lists and reserves them."""

    def __init__(self, root: Path, secret: str) -> None:
        self.blobs, self._reserved = root / "blobs", root / "reserved"
        self.blobs.mkdir(parents=True, exist_ok=True)
        self._secret = secret
        self._lock = threading.Lock()

    def answer(self, request: Request, box: str, action: str) -> Response:
        """The answer to an action on `box`: an origin and a container, `ExperimentRun/dcid.…`."""
        folder, base = self.blobs / box, _storage(request)
        if action == "/batch/metadata":
            return self._reserve(base, box, [one["path"] for one in request.get_json()["paths"]])
        if action == "/contentinfo":
            path = request.args["path"]
            if (folder / path).is_file():
                return reply(self._told(base, box, path))
            return fail(404, "UserError", "artifact not found")
        if action in ("", "/"):
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            told = [self._told(base, box, file.relative_to(folder).as_posix()) for file in files]
            return reply({"value": told})
        return fail(404, "NotFound", f"artifact action {action}")

    def _reserve(self, base: str, box: str, paths: list[str]) -> Response:
        made, errors = {}, {}
        for path in paths:
            mark = self._reserved / box / quote(path, safe="")
            with self._lock:
                if mark.exists():  # an artifact path of a run is written once
                    said = f"Resource Conflict: ArtifactId {box}/{path} already exists."
                    errors[path] = {"error": {"code": "UserError", "message": said}}
                    continue
                mark.parent.mkdir(parents=True, exist_ok=True)
                mark.touch()
            made[path] = self._told(base, box, path)
        return reply({"artifacts": made, "artifactContentInformation": made, "errors": errors})

    def _told(self, base: str, box: str, path: str) -> dict[str, Any]:
        origin, _, container = box.partition("/")
        signed = f"sv=2019-07-07&sr=b&sp=rcw&sig={self._secret}"
        return {
            "artifactId": f"{box}/{path}",
            "origin": origin,
            "container": container,
            "path": path,
            "contentUri": f"{base}/{CONTAINER}/{quote(f'{box}/{path}')}?{signed}",
        }


def _storage(request: Request) -> str:
    if request.host == HOST:
        return f"https://{ACCOUNT}"
    # The client wants "https://*.blob.core.windows.net/*/*?*"; for a 127.0.0.1 netloc the blob SDK
    # takes the first path segment for the account (the Azurite form): one address meets both.
    return f"{request.scheme}://{request.host}/{ACCOUNT}"


class Blobs:
    """Block blobs: whole, in blocks, and read by range."""

    def __init__(self, root: Path, secret: str) -> None:
        self._blobs, self._parts, self._secret = root / "blobs", root / "parts", secret

    def answer(self, request: Request, name: str) -> Response:
        """The answer to a request for a blob."""
        target = (self._blobs / name).resolve()
        if request.args.get("sig") != self._secret or self._blobs not in target.parents:
            return storage_fail(403, "AuthenticationFailed")
        if request.method == "PUT":
            return self._write(request, name, target)
        if not target.is_file():
            return storage_fail(404, "BlobNotFound")
        return self._read(request, target.read_bytes())

    def _write(self, request: Request, name: str, target: Path) -> Response:
        data, kind = request.get_data(), request.args.get("comp")
        parts = self._parts / uuid.uuid5(uuid.NAMESPACE_URL, name).hex
        if kind == "block":
            parts.mkdir(parents=True, exist_ok=True)
            (parts / request.args["blockid"].replace("/", "_")).write_bytes(data)
            return Response(status=201, headers=HEAD)
        if request.headers.get("If-None-Match") == "*" and target.exists():
            return storage_fail(409, "BlobAlreadyExists")
        if kind == "blocklist":
            ids = re.findall(r"<(?:Latest|Uncommitted)>([^<]+)<", data.decode())
            data = b"".join((parts / i.replace("/", "_")).read_bytes() for i in ids)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return Response(status=201, headers=HEAD)

    def _read(self, request: Request, data: bytes) -> Response:
        kind = "application/octet-stream"
        span = request.headers.get("x-ms-range") or request.headers.get("Range")
        if not span:
            return Response(data, 200, headers=HEAD, mimetype=kind)
        ends = span.removeprefix("bytes=").split("-")
        first, last = (int(end) if end else len(data) - 1 for end in ends)
        if first >= len(data):
            return storage_fail(416, "InvalidRange", **{"Content-Range": f"bytes */{len(data)}"})
        part = data[first : last + 1]
        where = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
        return Response(part, 206, headers={**HEAD, "Content-Range": where}, mimetype=kind)
