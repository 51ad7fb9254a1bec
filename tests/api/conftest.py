"""Evidence to look at, and visitors of the pages."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest

from tests.api.visitors import UNKNOWN, Visitor
from tests.browser.gallery import (
    HOSTILE,
    gallery,
    made_run,
    made_version,
    odd_run,
)

ODD = quote(HOSTILE["attribute"])


@pytest.fixture(scope="package")
def shown(tmp_path_factory):
    made = gallery(tmp_path_factory.mktemp("pages"))
    made.allowed = made.capture(made_version("6"))
    made.shelf.aliases["tumour", "production"] = "6"
    for environment in ("prod", "lab"):
        made.judge("tumour", "6", environment)
    worse = made_run({"auc": [0.1, 0.2], "log_loss": [0.9, 0.95]}, run_id="c" * 32)
    made.blocked = made.capture(made_version("7", worse))
    made.judge("tumour", "7", "prod")
    made.run = made.capture(made_run())
    made.odd = made.capture(odd_run())
    named = {"run_id": "d" * 32, "experiment": HOSTILE["attribute"]}
    made.capture(replace(odd_run(), **named))
    return made


@pytest.fixture
def anyone(shown):
    return Visitor(shown.app)


@pytest.fixture
def reader(shown):
    return Visitor(shown.app, shown.token)


@pytest.fixture
def pages(shown):
    return {
        "search": "/",
        "found": "/?model=tumour&verdict=failed&environment=prod",
        "nothing": "/?owner=nobody",
        "wrong": "/?version=2",
        "allowed": f"/bundles/{shown.allowed}",
        "blocked": f"/bundles/{shown.blocked}",
        "run": f"/bundles/{shown.run}",
        "odd": f"/bundles/{shown.odd}",
        "compare": "/compare",
        "compared": "/compare?base=models/tumour/6&other=models/tumour/7&other=&higher=auc",
        "odd compared": f"/compare?base={shown.run}&other={shown.odd}",
        "course": "/experiments/tumour-monthly/history?metric=auc",
        "odd course": f"/experiments/{ODD}/history?metric=" + quote(HOSTILE["script"]),
        "course asked for": "/experiments/tumour-monthly/history",
        "plot": "/experiments/tumour-monthly/history.svg?metric=auc",
        "missing": f"/bundles/{UNKNOWN}",
        "picture": f"/bundles/{shown.run}/metrics.svg?name=auc",
        "file": f"/bundles/{shown.run}/evidence.html",
        "archive": f"/bundles/{shown.run}/evidence.zip",
        "version": "/models/tumour/versions/6",
        "of run": f"/runs/{made_run().run_id}",
    }
