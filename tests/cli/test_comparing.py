"""`compare` and `history`, on a real service and straight on a store."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from tests.browser.gallery import gallery, made_run, made_version

DAY = 86_400_000
FOLLOW = ("history", "tumour-monthly", "--metric", "log_loss", "--direction", "lower")
COMPARE = ("compare", "models/tumour/2", "models/tumour/3", "--lower", "log_loss")


def month(number: int, loss: float, label: str):
    return made_run(
        {"log_loss": [0.9, loss]},
        run_id=f"{number:032x}",
        name=f"month {number}",
        start_time=1_767_225_600_000 + number * 30 * DAY,
        parameters={"labelling": label, "month": str(number)},
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    made = gallery(tmp_path_factory.mktemp("comparing"))
    months = [(1, 0.2, "v1"), (2, 0.21, "v1"), (3, 0.4, "v2"), (4, 0.2, "v1")]
    for number, loss, label in months:
        made.capture(made_version(str(number), month(number, loss, label)))
    return made


@pytest.fixture(params=["service", "here"])
def place(request, shown, serving) -> dict[str, str]:
    """The same evidence, asked of the service and of the database itself."""
    if request.param == "service":
        return {"EVIDENCE_URL": serving(shown.app), "EVIDENCE_TOKEN": shown.token}
    home = str(shown.service.home)
    uri = shown.service.settings.tracking_uri
    return {"EVIDENCE_SERVICE_HOME": home, "EVIDENCE_SERVICE_TRACKING_URI": uri}


def test_what_differs_is_listed_in_every_form(az, place):
    found = az(*COMPARE, "-o", "json", **place).json
    told = {one["name"]: one for one in found["items"]}
    assert (told["log_loss"]["delta"], told["log_loss"]["verdict"]) == ("0.19", "worse")
    assert (told["labelling"]["base"], told["labelling"]["value"]) == ("v1", "v2")
    table = az(*COMPARE, "-o", "table", **place).out
    line = next(one for one in table.splitlines() if "log_loss" in one)
    assert line.split() == [
        "Metrics",
        "log_loss",
        "0.21",
        "0.4,",
        "+0.19",
        "(+90.5",
        "%);",
        "worse",
    ]
    tsv = az(*COMPARE, "-o", "tsv", **place).out
    assert len(tsv.splitlines()) == len(found["items"])
    query = "items[?verdict=='worse'].name"
    assert az(*COMPARE, "-o", "tsv", "--query", query, **place).out == "log_loss\n"


def test_a_history_is_drawn_in_the_terminal_with_the_cause(az, place):
    done = az(*FOLLOW, "-o", "table", **place)
    assert done.code == 0, done.err
    rows = done.out.splitlines()
    assert [row.split()[3] for row in (*rows[1:4], rows[5])] == ["1", "2", "3", "4"]
    assert "✕ regression" in rows[3] and "labelling: v1 → v2" in rows[3]
    assert rows[3].count("█") == 16 > rows[1].count("█")
    assert rows[4].strip() == "and 1 more (-o json)"
    states = az(*FOLLOW, "-o", "tsv", "--query", "items[].state", **place).out
    assert states.split() == ["first", "ok", "regression", "ok"]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_plot_is_saved(az, place, tmp_path, suffix):
    file = tmp_path / f"plot.{suffix}"
    done = az(*FOLLOW, "--save", str(file), "-o", "json", **place)
    assert done.code == 0, done.err
    if suffix == "svg":
        ET.fromstring(file.read_bytes())
    else:
        assert file.read_bytes().startswith(b"\x89PNG")
    assert json.loads(done.out)["metric"] == "log_loss"


def test_a_history_that_is_cut_says_so(az, place):
    done = az(*FOLLOW, "--limit", "2", "-o", "json", **place)
    assert len(done.json["items"]) == 2
    assert "--limit takes more" in done.err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("compare", "models/tumour/2"), 2, "OTHER"),
        (("compare", "models/tumour/2", "nonsense"), 2, "names no evidence"),
        (("compare", "models/tumour/2", "models/tumour/9"), 4, "no evidence"),
        ((*COMPARE, "--higher", "log_loss"), 2, "both directions"),
        (("history", "none", "--metric", "auc"), 4, "none"),
        (("history", "tumour-monthly"), 2, "--metric"),
        ((*FOLLOW, "--tolerance", "much"), 2, "tolerance"),
        ((*FOLLOW, "--save", "plot.pdf"), 2, ".svg or .png"),
    ],
)
def test_what_cannot_be_answered_has_its_exit_code(az, place, words, code, told):
    done = az(*words, "-o", "json", **place)
    assert (done.code, done.out) == (code, "")
    assert told in done.err


def test_names_of_strangers_steer_no_terminal(az, shown, serving):
    run = made_run({"log_loss": [0.1, 0.2]}, run_id="e" * 32, name="a\x1b[2J\nb", experiment="odd")
    shown.capture(run)
    place = {"EVIDENCE_URL": serving(shown.app), "EVIDENCE_TOKEN": shown.token}
    done = az("history", "odd", "--metric", "log_loss", "-o", "table", **place)
    assert "\x1b" not in done.out and len(done.out.splitlines()) == 2
