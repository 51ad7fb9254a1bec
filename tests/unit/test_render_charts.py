"""Pictures of series: bounded, without a stranger's text, the same bytes each time."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_evidence_plugin.render.charts import chart
from mlflow_evidence_plugin.render.series import BUCKETS, read_series, thin


def text(values, step=1) -> bytes:
    named = {math.inf: "Infinity", -math.inf: "-Infinity"}
    told = ["NaN" if v != v else named.get(v, repr(float(v))) for v in values]
    return "".join(f"{n * step},1700000000000,{v}\n" for n, v in enumerate(told)).encode()


def drawn(data: bytes) -> tuple[bytes, str]:
    found = chart("sha256:" + hashlib.sha256(data).hexdigest(), lambda _: data)
    assert found is not None
    return found


ODD = {
    "one value": [1.0] * 5,
    "nothing to draw": [math.nan, math.nan],
    "infinite": [1.0, math.inf, 2.0, -math.inf, 3.0],
    "alone between gaps": [math.nan, 1.0, math.nan],
    "largest": [1.7e308, -1.7e308, 0.0],
    "smallest": [5e-324, 0.0],
    "close together": [0.1, 0.1 + 1e-16, 0.1],
    "huge": [1e300, -1e300],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_series_are_drawn_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg, _ = drawn(text(ODD[name]))
    ET.fromstring(svg)


def test_points_that_are_no_numbers_are_gaps_and_said():
    found = read_series(text([1.0, math.nan, 2.0, math.inf]))
    assert [y == y for y in found.y] == [True, False, True, False]
    assert (
        "2 points are not a number, or infinite" in drawn(text([1.0, math.nan, 2.0, math.inf]))[1]
    )


def test_a_series_without_steps_is_drawn_in_its_order():
    assert read_series(text([3.0, 1.0, 2.0], step=0)).x == (0.0, 1.0, 2.0)
    assert "no step was given" in drawn(text([3.0, 1.0, 2.0], step=0))[1]


def test_a_long_series_is_thinned_and_no_spike_is_lost():
    values = [0.5] * 100_000
    values[31_337], values[77_777], values[50_000] = 9.0, -9.0, math.nan
    found = read_series(text(values))
    assert len(found.x) <= 3 * BUCKETS
    assert {9.0, -9.0} <= set(found.y)
    assert any(y != y for y in found.y)
    svg, caption = drawn(text(values))
    assert len(svg) < 64 << 10
    assert "Of 100,000 points the extremes" in caption


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(), min_size=901, max_size=1200))
def test_thinning_keeps_the_order_and_the_extremes(values):
    points = [(float(n), v) for n, v in enumerate(values)]
    kept = thin(points)
    assert len(kept) <= 3 * BUCKETS
    assert [x for x, _ in kept] == sorted({x for x, _ in kept})
    known = [v for v in values if math.isfinite(v) and abs(v) <= 1e300]
    shown = [y for _, y in kept if y == y]
    assert not known or (min(known), max(known)) == (min(shown), max(shown))


def test_the_bytes_are_the_same_in_every_process_and_thread():
    data = text([1.0, 3.0, 2.0])
    again = (
        "import sys, hashlib; from mlflow_evidence_plugin.render.charts import chart;"
        f"sys.stdout.write(hashlib.sha256(chart('x', lambda _: {data!r})[0]).hexdigest())"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", again], capture_output=True, text=True, check=True
    )
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda n: chart(f"thread {n}", lambda _: data)[0], range(8)))
    assert {hashlib.sha256(one).hexdigest() for one in found} == {elsewhere.stdout}


def test_a_picture_holds_no_script_no_date_and_no_address_to_fetch():
    svg = drawn(text([1.0, 2.0]))[0].decode()
    root = ET.fromstring(svg)
    assert not {"script", "a", "image", "foreignObject"} & {
        e.tag.rpartition("}")[2] for e in root.iter()
    }
    links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
    assert all(link.startswith("#") for link in links)
    assert "date" not in svg.lower()
    assert "<text" in svg  # letters, not outlines


def test_who_asks_for_no_picture_does_not_pay_for_matplotlib():
    seen = (
        "import sys, mlflow_evidence_plugin.render.formats; sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", seen], check=False).returncode == 0
