"""The ways in which a plugin can break `import mlflow`, a run, or every request."""

from __future__ import annotations

import json
import textwrap
from importlib.metadata import entry_points

import pytest

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.context.provider import EvidenceContextProvider, EvidenceHeaderProvider

from .conftest import TRAIN

REGISTERED = """
import json
from mlflow.tracking.context import registry as contexts
from mlflow.tracking.request_header import registry as requests
if RELOAD:
    from importlib import reload
    reload(contexts); reload(requests)
names = [type(p).__name__ for p in contexts._run_context_provider_registry]
names += [type(p).__name__ for p in requests._request_header_provider_registry]
print(json.dumps([n for n in names if n.startswith("Evidence")]))
"""
BOTH = ["EvidenceContextProvider", "EvidenceHeaderProvider"]


@pytest.mark.parametrize(
    ("group", "provider"),
    [
        ("mlflow.run_context_provider", EvidenceContextProvider),
        ("mlflow.request_header_provider", EvidenceHeaderProvider),
    ],
)
def test_the_installed_entry_points_are_ours(group, provider):
    found = [each.load() for each in entry_points(group=group) if each.name == "evidence"]
    assert found == [provider]


@pytest.mark.parametrize(
    "first",
    [
        "import mlflow",
        "import mlflow_evidence_plugin.context.provider; import mlflow",
        "import mlflow_evidence_plugin.context.provider",
        "import mlflow.tracking.context.registry",
    ],
)
def test_whatever_is_imported_first_both_are_registered(run, first):
    done = run(f"{first}\nRELOAD = False\n{REGISTERED}", flags=["-W", "error::UserWarning:mlflow"])
    assert (done.code, json.loads(done.out)) == (0, BOTH), done.err
    assert "evidence" not in done.err


def test_registries_that_are_loaded_again(run):
    done = run(f"import mlflow\nRELOAD = True\n{REGISTERED}")
    assert json.loads(done.out) == BOTH, done.err


def test_importing_the_plugin_loads_no_mlflow_and_starts_nothing(run):
    script = """
    import sys, threading
    import mlflow_evidence_plugin.context.provider as p
    p.EvidenceContextProvider(), p.EvidenceHeaderProvider()
    assert not [m for m in sys.modules if m.split(".")[0] in ("mlflow", "yaml", "requests")]
    assert threading.active_count() == 1
    from mlflow_evidence_plugin.context import process
    assert process._processes == {}
    """
    done = run(script)
    assert done.code == 0, done.err


BAD_SOURCE = """
import mlflow
from mlflow_evidence_plugin.context import sources
sources.SOURCES = (*sources.SOURCES, lambda host: {tag: VALUE for tag in NAMES})
"""
BAD = {
    "none": "None",
    "int": "3",
    "bool": "True",
    "bytes": "b'x'",
    "empty": "''",
    "blank": "' '",
    "newline": "'a\\r\\nX-Other: b'",
    "nul": "'a\\0b'",
    "20k": "'x' * 20_000",
    "surrogate": "'\\udc80'",
}


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("place", ["http", "sqlite"])
def test_a_bad_value_from_a_source_breaks_no_run(run, server, place, value):
    names = "NAMES = ['evidence.image', 'evidence.ticket', 'k' * 300, 'bad key!', 'a' * 101]"
    env = {"MLFLOW_TRACKING_URI": server[0]} if place == "http" else {}
    script = f"{names}\nVALUE = {BAD[value]}\n{BAD_SOURCE}{TRAIN}report(run.info.run_id)"
    (found,) = run(script, env).tags
    ours = {name for name in found if not name.startswith("mlflow.")}
    assert ours == {
        "evidence.schema",
        "evidence.stamped_by",
        "evidence.env.digest",
        "evidence.host",
    }


HEADER_VALUES = {
    "line-break": "a\r\nX-Other: b",
    "leading-space": "  a",
    "latin-1": "Zoë",
    "beyond": "任 🚀",
    "pair": "a&team=b=c%",
    "20k": "x" * 20_000,
    "full": "é" * 1_000,
}


@pytest.mark.parametrize("value", HEADER_VALUES)
def test_any_value_leaves_a_header_that_http_takes(run, server, value):
    proxy, seen = server
    seen.clear()
    env = {"MLFLOW_TRACKING_URI": proxy, "EVIDENCE_OWNER": HEADER_VALUES[value]}
    env["EVIDENCE_COST_CENTER"] = "7"
    (found,) = run(TRAIN + "report(run.info.run_id)", env).tags
    assert found["evidence.cost_center"] == "7"
    for request in seen:
        sent = request.headers[tags.HEADER]
        assert sent.isascii()
        assert len(sent) <= tags.HEADER_MAX
        assert "cost_center=7" in sent
        assert request.headers["X-Other"] is None


def test_another_provider_of_the_same_header_breaks_no_request(run, server):
    script = f"""
    import mlflow
    from mlflow.tracking.request_header import registry
    class Other:
        def in_context(self): return True
        def request_headers(self): return {{"{tags.HEADER}": "x=1"}}
    registry._request_header_provider_registry.register(Other)
    """
    env = {"MLFLOW_TRACKING_URI": server[0], "EVIDENCE_OWNER": "jo"}
    done = run(textwrap.dedent(script) + TRAIN + "report(run.info.run_id)", env)
    assert done.tags[0]["evidence.owner"] == "jo"


def test_no_header_of_mlflows_own_has_our_name(run):
    script = f"""
    from mlflow.tracking.request_header.registry import resolve_request_headers
    print(sum(name.lower() == "{tags.HEADER.lower()}" for name in resolve_request_headers()))
    """
    assert run(script, {"EVIDENCE_OWNER": "jo"}).out.strip() == "1"
