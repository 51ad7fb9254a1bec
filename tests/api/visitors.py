"""Who looks at the pages, and what there is to see."""

from __future__ import annotations

SAME = {"Sec-Fetch-Site": "same-origin"}
UNKNOWN = "sha256:" + "0" * 64


class Visitor:
    """A browser without a screen: it keeps the cookie and follows nothing by itself."""

    def __init__(self, app, token=None, host="127.0.0.1:8080", scheme="http"):
        self.client = app.test_client()
        self.base = f"{scheme}://{host}"
        if token:
            name = "evidence" if host.startswith("127.") else "__Host-evidence"
            self.client.set_cookie(name, token, domain=host.partition(":")[0])

    def get(self, path, **headers):
        return self.client.get(path, base_url=self.base, headers=headers)

    def post(self, path, data=None, **headers):
        told = {k.replace("_", "-"): v for k, v in headers.items()} or SAME
        return self.client.post(path, base_url=self.base, data=data or {}, headers=told)


NAMES = [
    "search", "found", "nothing", "wrong", "allowed", "blocked", "run", "odd", "missing",
    "compare", "compared", "odd compared", "course", "course asked for",
    "plot", "picture", "file", "archive", "version", "of run",
]  # fmt: skip
NOT_READ = ("plot", "picture", "file", "archive", "version", "of run")
READ = [name for name in NAMES if name not in NOT_READ] + ["odd course"]
