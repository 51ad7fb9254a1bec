"""Evidence to look at, and visitors of the pages."""

from __future__ import annotations

import pytest

from tests.api.visitors import UNKNOWN, Visitor
from tests.browser.gallery import gallery, made_run, made_version, odd_run


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
        "missing": f"/bundles/{UNKNOWN}",
        "picture": f"/bundles/{shown.run}/metrics.svg?name=auc",
        "file": f"/bundles/{shown.run}/evidence.html",
        "version": "/models/tumour/versions/6",
        "of run": f"/runs/{made_run().run_id}",
    }
