"""The pages of a comparison and of a history: what they show, and where they lead."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from mlflow_evidence_plugin.errors import NotFound
from mlflow_evidence_plugin.service import Evidence


def test_a_comparison_shows_each_fact_with_who_is_better(reader, pages):
    text = reader.get(pages["compared"]).text
    assert '<small class="basis bad">' in text and "; worse</small>" in text
    assert '<th scope="row">auc</th>' in text
    assert re.search(
        r'<a class="subject" href="/bundles/sha256:[0-9a-f]+">models/tumour/7</a>', text
    )


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("base=x&other=y", "names no evidence"),
        ("base=models/tumour/6", "other"),
        ("other=models/tumour/6", "base"),
        ("base=models/tumour/6&other=models/tumour/7&higher=a&lower=a", "both directions"),
        ("base=models/tumour/6&other=models/tumour/7&x=y", "x: Unknown field"),
    ],
)
def test_a_comparison_that_cannot_be_says_what_is_wrong(reader, query, told):
    answer = reader.get(f"/compare?{query}")
    assert answer.status_code == 422
    assert told in re.search(r'role="alert">([^<]+)<', answer.text).group(1)


def test_what_is_not_there_is_not_compared(reader):
    assert reader.get("/compare?base=models/tumour/6&other=models/tumour/99").status_code == 404
    assert reader.get("/experiments/none/history?metric=auc").status_code == 404
    assert reader.get("/experiments/none/history.svg?metric=auc").status_code == 404
    assert reader.get("/experiments/tumour-monthly/history.svg?window=x").status_code == 422


def test_a_history_shows_the_plot_and_leads_to_the_evidence(reader, pages):
    text = reader.get(pages["course"]).text
    source = re.search(r'<img src="([^"]+)"', text).group(1).replace("&amp;", "&")
    assert reader.get(source).mimetype == "image/svg+xml"
    assert text.count('<a href="/bundles/sha256:') == len(re.findall(r"<tbody>.*", text)) + 1


@pytest.mark.parametrize("query", ["direction=lower", "metric=auc&window=x", "metric=auc&x=y"])
def test_a_history_that_cannot_be_says_what_is_wrong(reader, query):
    answer = reader.get(f"/experiments/tumour-monthly/history?{query}")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_a_bundle_leads_to_the_baseline_of_its_verdict(shown, reader, pages):
    text = reader.get(pages["blocked"]).text.replace("&amp;", "&")
    asked = urlencode({"base": shown.allowed, "other": shown.blocked})
    address = f"/compare?{asked}"
    assert f'<a href="{address}">Compare with the baseline, version 6</a>' in text
    assert text.count('href="/compare?') == 1  # the version before is the same one
    assert reader.get(address).status_code == 200
    assert "the baseline" not in reader.get(pages["allowed"]).text  # it was judged by itself


def test_a_baseline_that_is_not_the_visitors_or_is_gone_is_not_led_to(shown, reader, monkeypatch):
    kept = Evidence.bundle

    def closed(self, digest, caller):
        if digest == shown.allowed:
            raise NotFound("there is no evidence")
        return kept(self, digest, caller)

    monkeypatch.setattr(Evidence, "bundle", closed)
    text = reader.get(f"/bundles/{shown.blocked}").text
    assert "the baseline," not in text and "Compare with version 6" in text


def test_a_bundle_leads_to_the_version_before_and_to_its_metrics_over_time(reader, pages):
    text = reader.get(pages["allowed"]).text.replace("&amp;", "&")
    assert 'href="/compare?base=models%2Ftumour%2F6&other=models%2Ftumour%2F6"' in text
    address = "/experiments/tumour-monthly/history?metric=log_loss"
    assert f'href="{address}"' in text
    assert reader.get(address).status_code == 200
