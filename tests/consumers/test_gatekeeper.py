"""Gatekeeper: external data of each key, and what the rule in the documentation makes of it."""

from __future__ import annotations

import re
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from api.consumers.asking import Verdict
from api.consumers.gatekeeper import ANSWER_SECONDS, within
from api.consumers.inflight import InFlight
from api.schemas.gates import KEYS_LIMIT
from mlflow_evidence_plugin.errors import Busy, StoreUnavailable
from tests.api.stores import Away
from tests.conftest import instant
from tests.consumers.clusters import external_data, post, violations
from tests.faults.processes import until

PAGE = (Path(__file__).parents[2] / "docs/integrations/gatekeeper.md").read_text()


@pytest.fixture
def address(service, served):
    """Makes an address."""

    def make(environment="prod", url=None):
        now = instant(timedelta())
        token = service.evidence.tokens.create(
            "gatekeeper", ("evidence:read",), ("*",), ("credit*",), now, None, (), environment
        )
        return f"{url or served.url}/v1/checks/gatekeeper/{token}"

    return make


def test_the_response_is_gatekeepers(address, world):
    key = f"models/credit/{world.v_good}"
    status, body = post(address(), {"request": {"keys": [key]}}, 3)
    assert status == 200
    found = yaml.safe_load(body)
    assert found["apiVersion"] == "externaldata.gatekeeper.sh/v1beta1"
    assert found["kind"] == "ProviderResponse"
    assert found["response"]["idempotent"] is True
    assert found["response"]["systemError"] == ""
    (item,) = found["response"]["items"]
    value = item.pop("value")
    assert item == {"key": key}
    assert (value["allowed"], value["status"], value["reasons"]) == (True, "passed", [])


def test_each_key_has_its_answer(address, world):
    good, bad = f"models/credit/{world.v_good}", f"models/credit/{world.v_regressed}"
    keys = [good, bad, "models/credit@production", f"{good}#prod", good]
    found = external_data(address(), keys)
    assert found["errors"] == []
    assert [key for key, _ in found["responses"]] == list(dict.fromkeys(keys))
    assert [value["allowed"] for _, value in found["responses"]] == [True, False, True, True]
    assert violations(good, found) == []
    (said,) = violations(bad, external_data(address(), [bad]))
    assert "no-regression: found " in said


@pytest.mark.parametrize(
    "key",
    [
        "models/vault/1",
        "models/credit@nobody",
        "models/credit/1#lab",
        "models/credit",
        "models/credit/x",
        "models/credit/1/2",
        "models/credit/1 ",
        "models//1",
        "credit/1",
        "",
        "models/credit/1#",
        "models/cre\u0000dit/1",
        "models/cre\ud800dit/1",
        "models/credit/" + "9" * 200,
    ],
)
def test_an_unknown_key_is_an_error_and_never_allowed(address, world, key):
    good = f"models/credit/{world.v_good}"
    found = external_data(address(), [key, good])
    assert [one for one, _ in found["errors"]] == [key]
    assert [one for one, _ in found["responses"]] == [good]
    assert violations(key, found)


def test_a_version_without_evidence_is_not_allowed(address, world):
    key = f"models/credit/{world.v_uncaptured}"
    ((_, value),) = external_data(address(), [key])["responses"]
    assert (value["allowed"], value["status"]) == (False, "pending")


def test_an_environment_that_no_policy_knows_is_an_error(address, world):
    key = f"models/credit/{world.v_good}"
    assert violations(key, external_data(address("moon"), [key]))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{no json",
        b"[]",
        {},
        {"request": {"keys": []}},
        {"request": {"keys": [1]}},
        {"request": {"keys": ["x"] * (KEYS_LIMIT + 1)}},
        {"kind": "ProviderResponse", "request": {"keys": ["x"]}},
    ],
    ids=["none", "no-json", "list", "empty", "no-keys", "number", "many", "kind"],
)
def test_a_bad_request_is_a_system_error(address, body):
    status, said = post(address(), body, 3)
    assert status == 422
    assert yaml.safe_load(said)["response"]["systemError"].startswith("bad-input: ")


def test_so_is_a_wrong_address_and_a_body_that_is_too_large(address, world):
    key = f"models/credit/{world.v_good}"
    for url, keys, status in (
        (address() + "x", [key], 401),
        (address(None), [key], 403),
        (address(), ["x" * (1 << 20)], 413),
    ):
        found = external_data(url, keys)
        assert found["status_code"] == status
        assert found["system_error"]
        assert violations(key, found)


def test_a_store_that_is_away_is_an_error(start, service, captured, address):
    store = Away(StoreUnavailable("the tracking store is away"))
    parts = {**vars(service.evidence.capturing), "store": store}
    url = start(capturing=type(service.evidence.capturing)(**parts)).url
    found = external_data(address(url=url), ["models/credit@production"])
    assert found["responses"] == []
    assert "away" in found["errors"][0][1]


def test_a_hundred_keys_are_answered_in_its_time(address, world):
    keys = [f"models/credit/{n}" for n in range(1000, 999 + KEYS_LIMIT)]
    keys.append(f"models/credit/{world.v_good}")
    url, began = address(), time.monotonic()
    found = external_data(url, keys)
    assert time.monotonic() - began < 2 * ANSWER_SECONDS
    assert len(found["responses"]) + len(found["errors"]) == KEYS_LIMIT
    allowed = [key for key, value in found["responses"] if value["allowed"]]
    assert set(allowed) <= {keys[-1]}


def test_a_key_that_takes_too_long_does_not_hold_the_others_up():
    over = threading.Event()

    def answer(key):
        if key == "slow":
            over.wait(20)
        return Verdict("passed", key, "prod", ())

    began = time.monotonic()
    found = within(0.5, InFlight(), ["slow", "a", "b", "c", "d", "e"], answer)
    over.set()
    assert time.monotonic() - began < 5
    assert sorted(found) == ["a", "b", "c", "d", "e"]


def test_it_does_not_begin_more_than_it_may():
    over = threading.Event()
    pool = InFlight(1)
    verdict = lambda key: Verdict("passed", key, "prod", ())  # noqa: E731
    pool.begin("held", lambda: over.wait(20) and None, "azure_devops")
    assert list(within(5, pool, ["a"], verdict)) == ["a"]  # the others' do not count
    until(lambda: len(pool) == 1, 5)
    pool.begin("mine", lambda: over.wait(20) and None, "gatekeeper")
    with pytest.raises(Busy):
        within(0.5, pool, ["a"], verdict)
    over.set()


def test_what_there_is_to_paste_hangs_together():
    text = "\n---\n".join(re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S))
    found = {one["kind"]: one for one in yaml.safe_load_all(text) if "kind" in one}
    provider, template = found["Provider"], found["ConstraintTemplate"]
    assert provider["spec"]["url"].startswith("https://")
    assert provider["spec"]["timeout"] > ANSWER_SECONDS
    (target,) = template["spec"]["targets"]
    assert f'"provider": "{provider["metadata"]["name"]}"' in target["rego"]
    kind = template["spec"]["crd"]["spec"]["names"]["kind"]
    assert template["metadata"]["name"] == kind.lower()
    assert f"package {kind.lower()}\n" in target["rego"]
    assert found[kind]["apiVersion"] == "constraints.gatekeeper.sh/v1beta1"
    # The words of the rule are those that `violations` says.
    for said in ("the annotation mlflow-evidence/subject is missing", "%v may not be deployed: %v"):
        assert said in target["rego"]
