"""The page of one bundle, its charts and its downloads; and the short ways that lead to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from flask import Response, request

from mlflow_evidence_plugin.errors import NotFound
from mlflow_evidence_plugin.render.charts import chart
from mlflow_evidence_plugin.render.formats import RENDERERS
from mlflow_evidence_plugin.render.html import Picture, csp
from mlflow_evidence_plugin.render.parts import values
from mlflow_evidence_plugin.render.shown import Shown
from mlflow_evidence_plugin.service.archive import file_name
from mlflow_evidence_plugin.storage import StoredBundle

from ..auth import caller, service
from ..negotiation import content_type
from ..resources.bundles import archived
from .blueprint import bp, page
from .sessions import signed_in

BUNDLE = "/bundles/<string(maxlength=80):digest>"
HISTORIES = 4
"""Metrics whose course is offered on a bundle's page."""

LABELS = {
    "html": "Single file (HTML)",
    "markdown": "For a ticket (Markdown)",
    "json": "Evidence (JSON)",
    "dsse": "Signed statement (DSSE)",
    "in-toto": "All statements (in-toto)",
    "mlbom": "ML-BOM (CycloneDX)",
}


@bp.get(BUNDLE)
@signed_in
def bundle(digest: str) -> Response:
    """Everything about one record."""
    found = service().bundle(digest, caller())
    shown = Shown(service().exhibit(found, caller()))
    whole = {"href": f"/bundles/{digest}/evidence.zip", "name": file_name(found.record())}
    links = {"archive": whole, "downloads": _downloads(digest), "related": _related(shown)}
    charts = _charts(shown)
    return page("evidence_page.html", shown=shown, charts=charts, charts_left=0, links=links)


@bp.get(BUNDLE + "/metrics.svg")
@signed_in
def picture(digest: str) -> Response:
    """The history of the metric `name`."""
    history = values(json.loads(service().bundle(digest, caller()).body), "history")
    figures = history.get(request.args.get("name", ""))
    drawn = chart(figures["digest"], service().series) if figures else None
    if drawn is None:
        raise NotFound("the record has no such metric with a history")
    return Response(drawn[0], mimetype="image/svg+xml")


@bp.get(BUNDLE + "/evidence.zip")
@signed_in
def archive(digest: str) -> Response:
    """All that was ever signed about the subject, as one file to be verified offline."""
    return archived(digest)


@bp.get(BUNDLE + "/evidence.<string(maxlength=20):suffix>")
@signed_in
def download(digest: str, suffix: str) -> Response:
    """The bundle as a file, in one of the formats of the table."""
    chosen = next((one for one in RENDERERS if one.suffix == suffix), None)
    if chosen is None:
        raise NotFound(f"evidence does not come as .{suffix}")
    found = service().bundle(digest, caller())
    response = Response(
        chosen.render(service().exhibit(found, caller())), content_type=content_type(chosen)
    )
    # The name is ours: a model's name was chosen by a stranger.
    name = f"evidence-{found.digest.removeprefix('sha256:')[:12]}.{suffix}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if chosen.name == "html":
        response.headers["Content-Security-Policy"] = f"{csp()}; frame-ancestors 'none'"
    return response


@bp.get("/models/<string(maxlength=256):name>/versions/<string(maxlength=32):version>")
@signed_in
def of_version(name: str, version: str) -> Response:
    """The newest evidence of a model version."""
    return _to(service().of_version(name, version, caller()).digest)


@bp.get("/runs/<string(maxlength=256):run_id>")
@signed_in
def of_run(run_id: str) -> Response:
    """The newest evidence of a run."""
    return _to(service().of_run(run_id, caller()).digest)


def _to(digest: str) -> Response:
    response = Response("", 303)
    response.headers["Location"] = f"/bundles/{digest}"
    return response


def _downloads(digest: str) -> list[dict[str, str]]:
    return [
        {
            "label": LABELS.get(one.name, one.name),
            "href": f"/bundles/{digest}/evidence.{one.suffix}",
        }
        for one in RENDERERS
    ]


def _related(shown: Shown) -> list[dict[str, str]]:
    found = []
    if shown.of_version:
        more = f"/?model={quote(shown.model, safe='')}"
        found.append({"label": "All evidence of this model", "href": more})
        found += _compared(shown)
    if shown.run_id:
        more = f"/?run_id={quote(shown.run_id, safe='')}"
        found.append({"label": "All evidence of this run", "href": more})
    return found + _histories(shown)


def _compared(shown: Shown) -> Iterator[dict[str, str]]:
    """The way to what the verdicts were made against, and to the version before."""
    versions = set()
    for base in _baselines(shown):
        subject = base.record().subject
        here = subject.model == shown.model
        named = f"version {subject.version}" if here else base.subject
        versions |= {subject.version} if here else set()
        yield _comparison(f"the baseline, {named}", base.digest, shown.digest)
    previous = values(shown.record, "lineage").get("previous_version")
    if previous and previous not in versions:
        before = f"models/{shown.model}/{previous}"
        yield _comparison(f"version {previous}", before, shown.subject)


def _comparison(label: str, base: str, other: str) -> dict[str, str]:
    asked = urlencode({"base": base, "other": other})
    return {"label": f"Compare with {label}", "href": f"/compare?{asked}"}


def _baselines(shown: Shown) -> Iterator[StoredBundle]:
    """Of the verdicts shown, each once: those that are here, and the visitor's to see."""
    named = [one for each in shown.verdicts for one in each["baselines"].values()]
    for digest in dict.fromkeys(named):
        if digest == shown.digest:
            continue
        try:
            yield service().bundle(digest, caller())
        except NotFound:  # erased, or why there was none stands in the digest's place
            continue


def _histories(shown: Shown) -> list[dict[str, str]]:
    """Of the metrics that matter most, the way to their course over the experiment."""
    name = values(shown.record, "run").get("experiment", "")
    if not name:
        return []
    here = f"/experiments/{quote(name, safe='')}/history?"
    metrics = [metric for metric, _ in shown.key_metrics[:HISTORIES]]
    return [
        {"label": f"{one} over the experiment", "href": here + urlencode({"metric": one})}
        for one in metrics
    ]


def _charts(shown: Shown) -> list[Picture]:
    """Where each chart is drawn when somebody scrolls to it."""
    found: list[dict[str, Any]] = []
    for name, _, alt in shown.histories:
        src = f"/bundles/{shown.digest}/metrics.svg?name={quote(name, safe='')}"
        found.append({"name": name, "alt": alt, "src": src, "caption": "", "lazy": True})
    return found
