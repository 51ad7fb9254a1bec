"""The peer in serving: a Flask route that answers the bytes of the file named by BENCH_BODY."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, Response

app = Flask(__name__, static_folder=None)
BODY = Path(os.environ["BENCH_BODY"]).read_bytes()


@app.get("/body")
def body() -> Response:
    """Always the same bytes."""
    return Response(BODY, mimetype="application/json")
