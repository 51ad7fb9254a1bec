"""Evidence in every format: what it says, and the same bytes each time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlflow_evidence_plugin.errors import BadInput, BadRecord, NotFound
from mlflow_evidence_plugin.render.exhibit import Exhibit
from mlflow_evidence_plugin.render.formats import RENDERERS, renderer
from mlflow_evidence_plugin.render.html import MOST_CHARTS, environment, html, when
from mlflow_evidence_plugin.render.markdown import markdown
from mlflow_evidence_plugin.render.parts import PARTS, parts
from tests.browser.gallery import histories, made_run, odd_run
from tests.unit.exhibits import ALLOWED, DECISION, Elements, exhibit

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("form", RENDERERS, ids=lambda form: form.name)
def test_the_same_evidence_gives_the_same_bytes(form):
    first, again = (form.render(exhibit(decisions=[DECISION, ALLOWED])) for _ in range(2))
    assert first == again


def test_json_is_the_kept_bytes():
    given_ = exhibit()
    assert renderer("json").render(given_) is given_.data


def test_a_ticket_tells_what_a_reviewer_asks_first():
    text = markdown(exhibit(decisions=[ALLOWED, {**DECISION, "environment": "lab"}])).decode()
    for told in (
        "# Evidence of `models/tumour/7`",
        "- **Blocked** for `lab`",
        "- **Allowed** for `prod`",
        "`metric-threshold`: found `auc 0.5`; asked `0.9`; to mend: `train`",
        "- Owner: `jane.doe@example.com`",
        "- Ticket: `CHG-1042`",
        "- `log_loss`: `0.",
        "- model files: 3 hashed, 1,285,535 bytes",
        "- root digest `sha256:",
        "## Gaps\n\n- none",
        "mlflow-evidence verify evidence.json",
    ):
        assert told in text, told
    assert text.index("**Blocked**") < text.index("**Allowed**")


def test_a_page_has_each_section_in_its_table_of_contents():
    text = html(exhibit()).decode()
    ids = set(re.findall(r'<section class="[^"]*" id="([^"]+)"', text))
    assert ids == set(re.findall(r'<a href="#([^"]+)"', text)) - {"main"}
    assert set(PARTS) <= ids


def test_a_section_that_is_not_known_yet_is_shown_all_the_same():
    known = json.loads(exhibit().data)["record"]
    known["energy"] = {"facts": {"kwh": {"basis": "claimed", "by": "run", "value": "3"}}}
    assert parts(known)[-1].rows == [("kwh", "3")]


def test_every_section_of_a_record_has_a_layout():
    own = {"schema", "subject", "metrics", "history", "findings", "gaps"}
    assert set(json.loads(exhibit().data)["record"]) - own == set(PARTS)


@pytest.mark.parametrize(
    ("now", "word"), [(None, "Allowed"), ("2026-06-01", "Allowed"), ("2026-06-03", "Expired")]
)
def test_a_verdict_that_has_run_out_is_not_shown_as_allowed(now, word):
    at = replace(exhibit(decisions=[ALLOWED]), now=now and f"{now}T00:00:00.000Z")
    assert f"**{word}** for `prod`" in markdown(at).decode()
    assert f"</span>{word}</span>" in html(at).decode()


def test_the_file_fetches_nothing_and_runs_nothing():
    told = Elements(html(exhibit(odd_run())).decode())
    assert not {"script", "link", "iframe", "object", "form", "input"} & {t for t, _ in told.found}
    assert not any(name.startswith("on") for _, names in told.found for name in names)
    text = html(exhibit()).decode()
    assert 'http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;' in text
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    assert "url(" not in style and "@import" not in style


def test_charts_are_bounded_and_the_rest_is_told():
    text = html(exhibit(made_run(histories(MOST_CHARTS + 3, 3)))).decode()
    assert text.count("<img ") == MOST_CHARTS
    assert "3 more metrics have a history that is not drawn here" in text


def test_a_picture_says_in_words_what_it_shows():
    text = html(exhibit()).decode()
    assert (
        'alt="Line chart of lr: 60 points, first 0.001, last 0.000125, min 0.000125, max 0.001"'
        in text
    )
    assert "3 points are not a number, or infinite: gaps in the line." in text


def test_without_the_series_nothing_is_drawn_and_the_figures_stay():
    text = html(Exhibit(exhibit(made_run({"kept_nowhere": [1.0, 5.0, 4.0]})).data)).decode()
    assert "<img" not in text
    assert "1 more metrics have" in text
    assert ">kept_nowhere</th>" in text


def test_one_statement_is_the_envelope_itself():
    envelope = json.loads(renderer("dsse").render(exhibit(count=3)))
    assert set(envelope) == {"payload", "payloadType", "signatures"}


def test_statements_come_as_one_line_each():
    lines = renderer("in-toto").render(exhibit(count=3)).splitlines()
    assert [set(json.loads(line)) for line in lines] == [
        {"payload", "payloadType", "signatures"}
    ] * 3


def test_a_bundle_without_a_release_statement_has_no_envelope_to_give():
    with pytest.raises(NotFound):
        renderer("dsse").render(exhibit(count=0))


@pytest.mark.parametrize("data", [b"{}", b"[]", b"nonsense", b'{"record": {}, "digest": "x"}'])
def test_what_is_no_bundle_is_refused(data):
    with pytest.raises(BadRecord):
        html(Exhibit(data))


def test_a_digest_that_is_none_never_reaches_a_command():
    data = exhibit().data.replace(b'{"digest": "sha256:', b'{"digest": "$(reboot)', 1)
    with pytest.raises(BadRecord):
        markdown(Exhibit(data))


def test_the_table_can_be_read_in_the_base_install():
    block = "import sys; sys.modules.update(dict.fromkeys(sys.argv[1:]));"
    read = "from mlflow_evidence_plugin.render.formats import RENDERERS"
    absent = ("jinja2", "markupsafe", "matplotlib", "cachetools", "rfc8785", "jsonschema")
    subprocess.run([sys.executable, "-c", block + read, *absent], check=True)


def test_an_unknown_format_is_answered_with_those_there_are():
    with pytest.raises(BadInput) as refused:
        renderer("pdf")
    assert refused.value.mend == "one of json, markdown, html, dsse, in-toto, mlbom"


def test_the_documentation_lists_the_formats_of_the_table():
    rows = re.findall(
        r"^\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|",
        (ROOT / "docs/formats.md").read_text("utf-8"),
        re.M,
    )
    assert rows == [(one.name, one.media_type, f".{one.suffix}") for one in RENDERERS]


def test_a_time_is_shown_to_the_second_and_kept_whole():
    assert when("2026-05-01T08:00:00.123Z") == (
        '<time datetime="2026-05-01T08:00:00.123Z">2026-05-01 08:00:00 UTC</time>'
    )
    assert when("<b>") == "<b>"
    assert environment().from_string("{{ x | when }}").render(x="<b>") == "&lt;b&gt;"
