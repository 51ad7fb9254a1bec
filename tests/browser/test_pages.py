"""The pages in a real browser: no complaints, two widths, two schemes, keyboard, print, speed."""

from __future__ import annotations

import re
from itertools import product

import pytest

from mlflow_evidence_plugin.render.html import style
from tests.browser import chromium
from tests.browser.gallery import (
    big_run,
    gallery,
    histories,
    listening,
    made_run,
    made_version,
    odd_run,
)
from tests.faults.processes import until

needs_browser = pytest.mark.skipif(chromium.found() is None, reason="there is no Chromium here")
WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = gallery(tmp_path_factory.mktemp("site"))
    app = made.app
    made.capture(made_version("6"))
    made.shelf.aliases["tumour", "production"] = "6"
    worse = made_run({**histories(3), "log_loss": [0.9, 0.95]}, run_id="c" * 32)
    blocked = made.capture(made_version("7", worse))
    made.capture(made_run({}, run_id="e" * 32, tags={}, experiment="bare"))
    for version, environment in product(("6", "7"), ("prod", "lab")):
        made.judge("tumour", version, environment)
    with listening(app) as url:
        made.url = url
        made.pages = {
            "search": "/",
            "nothing found": "/?owner=nobody",
            "blocked": f"/bundles/{blocked}",
            "odd": f"/bundles/{made.capture(odd_run())}",
            "big": f"/bundles/{made.capture(big_run())}",
            "compared": "/compare?base=models/tumour/6&other=models/tumour/7&lower=log_loss",
            "course": "/experiments/tumour-monthly/history?metric=log_loss&direction=lower",
            "inventory": "/inventory?source=evidence",
            "owners": "/inventory?source=evidence&by=owner",
        }
        yield made


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    with chromium.browser(tmp_path_factory.mktemp("chromium") / "profile") as tab:
        yield tab


@pytest.fixture
def tab(chrome, site):
    """Signed in; what was complained of before is forgotten."""
    chrome.sign_in(site.url, site.token)
    chrome.view(1280)
    chrome.events.clear()
    return chrome


@needs_browser
@pytest.mark.parametrize(
    "name",
    [
        *("search", "nothing found", "blocked", "odd", "big"),
        *("compared", "course", "inventory", "owners"),
    ],
)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_its_screen_and_the_browser_has_no_complaint(tab, site, tmp_path, name, width):
    for dark in (False, True)[: 1 if name == "big" else 2]:
        tab.view(width, dark=dark)
        tab.open(site.url + site.pages[name])
        room = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert tab.value(room) == 0
        picture = tab.picture(tmp_path / f"{name}-{width}-{dark}.png", whole=False)
        assert picture.stat().st_size > 5_000
    assert tab.complaints() == []
    assert all(one.startswith((site.url, "data:")) for one in tab.asked_for())


BESIDE = """[...document.querySelectorAll('table.stacked tbody > tr > *')].filter(one => {
    const { left, right } = one.getBoundingClientRect();
    return left < 0 || right > document.documentElement.clientWidth }).length"""
LABELS = """[...document.querySelectorAll('table.stacked tbody > tr:first-child > td')].map(one =>
    getComputedStyle(one, '::before').content)"""


@needs_browser
@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("compared", ["models/tumour/6", "models/tumour/7"]),
        ("course", ["Evidence", "log_loss", "Baseline", "Judged"]),
        ("owners", ["Subjects", "Bytes", "Run time, s", "Lacking"]),
    ],
)
def test_a_phone_shows_each_value_of_a_table_after_its_label(tab, site, name, labels):
    tab.view(390)
    tab.open(site.url + site.pages[name])
    told = [one.split('"')[1] for one in tab.value(LABELS)]
    assert told and told == labels * (len(told) // len(labels))
    assert tab.value(BESIDE) == 0
    tab.view(1280)
    assert set(tab.value(LABELS)) == {"none"}


CUT = """[...document.querySelectorAll('select')].filter(one => {
    const style = getComputedStyle(one), room = document.createElement('canvas').getContext('2d');
    room.font = style.font;
    const arrow = 20, pads = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
    const shown = one.options[one.selectedIndex].text;
    return room.measureText(shown).width > one.clientWidth - pads - arrow }).length"""


@needs_browser
@pytest.mark.parametrize("name", ["search", "course", "inventory", "owners"])
def test_a_phone_shows_what_is_chosen_whole(tab, site, name):
    tab.view(390)
    tab.open(site.url + site.pages[name])
    assert tab.value("document.querySelectorAll('select').length") > 0
    assert tab.value(CUT) == 0


@needs_browser
def test_nothing_of_a_strangers_runs(tab, site):
    tab.open(site.url + site.pages["odd"])
    assert tab.value("document.querySelectorAll('script, iframe, form:not(.bar form)').length") == 0
    assert not [e for e in tab.events if e["method"] == "Page.javascriptDialogOpening"]


@needs_browser
def test_a_picture_is_drawn_in_the_page(tab, site):
    tab.open(site.url + site.pages["blocked"])
    tab.value("document.querySelector('figure').scrollIntoView()")
    drawn = "document.querySelector('figure img').decode().then(() => true)"
    told = tab.call("Runtime.evaluate", expression=drawn, awaitPromise=True, returnByValue=True)
    assert told["result"].get("value") is True
    assert tab.value("document.querySelector('figure img').naturalWidth") > 100


@needs_browser
def test_the_largest_evidence_opens_within_two_seconds(tab, site):
    seconds = [tab.open(site.url + site.pages["big"]) for _ in range(2)]
    assert min(seconds) < 2
    assert tab.value("document.querySelectorAll('#outputs tbody tr').length") == 5000


HERE = "const here = document.activeElement;"
WALK = f"""(() => {{ {HERE}
    return here === document.body ? null : here.outerHTML.slice(0, 200) + here.id }})()"""
REACHABLE = """[...document.querySelectorAll(
    `a[href], input:not([type=hidden]), select, button, summary, [tabindex="0"]`
)].filter(one => one.checkVisibility()).length"""
SEEN = f"""(() => {{ {HERE} const style = getComputedStyle(here);
    return here.type === 'date'
        || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) }})()"""


@needs_browser
@pytest.mark.parametrize("name", ["search", "blocked", "compared", "course"])
def test_the_keyboard_reaches_everything_and_it_is_seen_where_it_is(tab, site, name):
    tab.open(site.url + site.pages[name])
    reachable, reached = tab.value(REACHABLE), []
    assert reachable > 10
    for _ in range(reachable + 10):
        tab.press("Tab", 9)
        here = tab.value(WALK)
        if here is None or (reached and here == reached[0]):
            break
        assert tab.value(SEEN), here
        if not reached or here != reached[-1]:  # a date has three stops
            reached.append(here)
    assert 'class="skip"' in reached[0]
    assert len(reached) == reachable


@needs_browser
def test_signing_in_needs_no_mouse_and_a_wrong_token_is_said(chrome, site):
    tab = chrome
    tab.call("Network.clearBrowserCookies")
    tab.open(site.url + site.pages["blocked"])
    assert "/sign-in?next=" in tab.value("location.href")

    def enter(text):
        # The browser gives the field the focus with its first frame, which may come after `load`.
        focused = "document.activeElement.name"
        until(lambda: tab.value(focused) == "token", chromium.WAIT)
        seen = len(tab.events)
        tab.type(text)
        tab.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", text="\r")
        while not any(e["method"] == "Page.loadEventFired" for e in tab.events[seen:]):
            tab._next()

    enter("mle_wrong")
    assert "unknown, expired or revoked" in tab.value(
        "document.querySelector('[role=alert]').innerText"
    )
    enter(site.token)
    assert tab.value("location.pathname") == site.pages["blocked"]
    assert tab.value("document.cookie") == ""


@needs_browser
def test_the_file_stands_alone_and_prints(tab, site, tmp_path):
    import requests

    digest = site.pages["blocked"].rpartition("/")[2]
    told = {"Authorization": f"Bearer {site.token}", "Accept": "text/html"}
    file = tmp_path / "evidence.html"
    file.write_bytes(
        requests.get(f"{site.url}/v1/bundles/{digest}", headers=told, timeout=20).content
    )
    tab.open(file.as_uri())
    assert tab.complaints() == []
    assert all(one.startswith(("file:", "data:")) for one in tab.asked_for())
    loaded = "[...document.images].every(one => one.complete && one.naturalWidth > 100)"
    assert tab.value(loaded) and tab.value("document.images.length") == 3
    printed = tab.pdf(tmp_path / "evidence.pdf").read_bytes()
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 8


# -- colours: computed from the sheet, so that they hold wherever a pair is used -------------------

INKS = {
    "ink": ("page", "card", "sunk"),
    "soft": ("page", "card"),
    "link": ("page", "card"),
    "good": ("good-ground", "card"),
    "bad": ("bad-ground", "card"),
    "open": ("open-ground", "card"),
    "press-ink": ("press",),
}


def schemes() -> dict[str, dict[str, str]]:
    light, dark, *_ = re.findall(r":root \{(.*?)\}", style(), re.S)
    found = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", one)) for one in (light, dark)]
    return dict(zip(("light", "dark"), found, strict=True))


def contrast(one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"), [(i, g) for i, grounds in INKS.items() for g in grounds]
)
def test_text_stands_out_from_its_ground(scheme, ink, ground):
    colours = schemes()[scheme]
    assert contrast(colours[ink], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("line", ["edge", "link"])
def test_borders_of_fields_and_the_focus_stand_out(scheme, line):
    colours = schemes()[scheme]
    assert min(contrast(colours[line], colours[ground]) for ground in ("page", "card")) >= 3


def test_no_colour_is_used_but_those_of_the_scheme():
    after = style().split("*, ::before")[1].partition("@page")[0]
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b", after)
