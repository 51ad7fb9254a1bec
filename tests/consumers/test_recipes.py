"""Consumers without a module of their own: their rules, on what the service answers.

Each evaluator is the consumer's own rule, with the place where it is written down.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
import yaml

from mlflow_evidence_plugin.errors import StoreUnavailable
from tests.api.stores import Away
from tests.consumers.doubles import Double, listening, send

PAGES = Path(__file__).parents[2] / "docs/integrations"


def page(name: str, language: str) -> list[str]:
    """The blocks of a page."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (PAGES / f"{name}.md").read_text(), re.M | re.S
    )


def documents(name: str) -> list[dict]:
    return [one for text in page(name, "yaml") for one in yaml.safe_load_all(text)]


@pytest.fixture
def gate(served, service, world):
    """Where each kind of version is asked about, with the token of a consumer."""
    token = service.token("consumer", "evidence:read", models=("credit",))
    at = lambda what, query="": (  # noqa: E731
        f"{served.url}/v1/models/credit/{what}/decision?environment=prod{query}"
    )
    return SimpleNamespace(
        url=served.url,
        at=at,
        token=token,
        header={"Authorization": f"Bearer {token}"},
        good=f"versions/{world.v_good}",
        bad=f"versions/{world.v_regressed}",
        uncaptured=f"versions/{world.v_uncaptured}",
        world=world,
    )


# Argo Rollouts: metricproviders/webmetric/webmetric.go. A status that is not 2xx, a body that is no
# JSON and a path that leads nowhere are an *Error*; else the condition says Successful or Failed.


def measurement(metric: dict, args: dict[str, str], url: str) -> str:
    web = metric["provider"]["web"]
    fill = lambda text: re.sub(r"{{\s*args\.([\w-]+)\s*}}", lambda m: args[m[1]], text)  # noqa: E731
    headers = {one["key"]: fill(one["value"]) for one in web["headers"]}
    try:
        answer = requests.get(url, headers=headers, timeout=web.get("timeoutSeconds", 10))
        if not 200 <= answer.status_code < 300:
            return "Error"
        result = answer.json()
        for name in web["jsonPath"].removeprefix("{$").removesuffix("}").strip(".").split("."):
            result = result[name]
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return "Error"
    assert metric["successCondition"] == "result == true"
    return "Successful" if result is True else "Failed"


def test_argo_rollouts(gate):
    (template,) = [one for one in documents("argo-rollouts") if one["kind"] == "AnalysisTemplate"]
    (metric,) = template["spec"]["metrics"]
    named = metric["provider"]["web"]["url"]
    assert named.startswith("https://evidence.example.org/v1/models/")
    assert named.endswith("/versions/{{args.version}}/decision?environment=prod")
    assert {one["name"] for one in template["spec"]["args"]} == {"model", "version", "token"}
    args = {"token": gate.token}
    assert measurement(metric, args, gate.at(gate.good)) == "Successful"
    for what in (gate.bad, gate.uncaptured, "versions/999", "aliases/candidate"):
        assert measurement(metric, args, gate.at(what)) == "Failed", what
    # What it would get wrong: a denial by status is an error to it, and is measured again.
    assert measurement(metric, args, gate.at(gate.bad, "&enforce=true")) == "Error"
    assert measurement(metric, {"token": "mle_0_0"}, gate.at(gate.good)) == "Error"
    assert measurement(metric, args, "http://127.0.0.1:1/") == "Error"


def test_argo_rollouts_fails_while_the_store_is_away(start, service, gate):
    store = Away(StoreUnavailable("the tracking store is away"))
    parts = {**vars(service.evidence.capturing), "store": store}
    other = start(capturing=type(service.evidence.capturing)(**parts))
    (template,) = [one for one in documents("argo-rollouts") if one["kind"] == "AnalysisTemplate"]
    url = gate.at("aliases/production").replace(gate.url, other.url)
    assert measurement(template["spec"]["metrics"][0], {"token": gate.token}, url) == "Failed"


# Argo CD: a PreSync hook is a Job; the sync fails when the Job fails, and one without retries fails
# when its container's exit code is not 0.
# https://argo-cd.readthedocs.io/en/stable/user-guide/sync-waves/


def test_argo_cd_runs_the_command_line(gate):
    (job,) = [one for one in documents("argo-cd") if one["kind"] == "Job"]
    assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "PreSync"
    assert job["spec"]["backoffLimit"] == 0
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    names = {one["name"] for one in container["env"]}
    assert names == {"EVIDENCE_URL", "EVIDENCE_TOKEN"}

    def code(subject, **env):
        command = [one.replace("models/credit/7", subject) for one in container["command"]]
        assert subject in command
        command[0] = str(Path(sys.executable).parent / command[0])
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "EVIDENCE_"))}
        said = {"EVIDENCE_URL": gate.url, "EVIDENCE_TOKEN": gate.token, **env}
        return subprocess.run(
            command, env={**kept, **said}, capture_output=True, text=True, timeout=120
        )

    allowed = code(f"models/credit/{gate.world.v_good}")
    assert allowed.returncode == 0, allowed.stderr
    denied = code(f"models/credit/{gate.world.v_regressed}")
    assert denied.returncode == 1
    assert "no-regression" in denied.stdout + denied.stderr
    assert code("models/credit/999").returncode != 0
    assert code(f"models/credit/{gate.world.v_good}", EVIDENCE_TOKEN="mle_0_0").returncode != 0
    assert code("models/credit/1", EVIDENCE_URL="http://127.0.0.1:1").returncode != 0


# Kyverno: pkg/engine/apicall/executor.go. GET or POST; what is not 2xx is an error of the context,
# and the rule then denies (failurePolicy: Fail). Without `Authorization` it adds its own token.


def kyverno(rule: dict, url: str, header: dict[str, str], body: dict | None = None) -> str:
    (entry,) = [one for one in rule["context"] if "service" in one.get("apiCall", {})]
    call = entry["apiCall"]
    assert "Authorization" in {one["key"] for one in call["service"]["headers"]}
    try:
        answer = requests.request(call["method"], url, json=body, headers=header, timeout=10)
        if not 200 <= answer.status_code < 300:
            return "error"
        found = {entry["name"]: answer.json()}
    except (requests.RequestException, ValueError):
        return "error"
    (condition,) = rule["validate"]["deny"]["conditions"]["any"]
    path = condition["key"].strip("{} ").removesuffix(" || `false`").split(".")
    for name in path:
        found = found.get(name, False)
    assert condition["operator"] == "NotEquals"
    return "denied" if found is not condition["value"] else "admitted"


def test_kyverno(gate):
    (policy,) = [one for one in documents("kyverno") if one["kind"] == "ClusterPolicy"]
    (rule,) = policy["spec"]["rules"]
    assert policy["spec"].get("failurePolicy", "Fail") == "Fail"
    assert kyverno(rule, gate.at(gate.good), gate.header) == "admitted"
    for what in (gate.bad, gate.uncaptured, "versions/999"):
        assert kyverno(rule, gate.at(what), gate.header) == "denied"
    for header in ({}, {"Authorization": "Bearer eyJhbGciOiJSUzI1NiJ9.e30.x"}):
        assert kyverno(rule, gate.at(gate.good), header) == "error"
    assert kyverno(rule, gate.at("versions/999").replace("credit", "vault"), gate.header) == "error"


# Jenkins: HttpRequestExecution.java. The status must lie in `validResponseCodes`; the body
# must then contain `validResponseContent`, letter by letter. No connection is 408, no host 404.


def jenkins(step: dict[str, str], url: str, header: dict[str, str]) -> str | None:
    try:
        answer = requests.get(url, headers=header, timeout=int(step["timeout"]))
        status, content = answer.status_code, answer.text
    except requests.RequestException:
        status, content = 408, ""
    first, _, last = step["validResponseCodes"].partition(":")
    if not int(first) <= status <= int(last or first):
        return f"the returned code {status} is not in the accepted range"
    if step["validResponseContent"] not in content:
        return "Response doesn't contain expected content"
    return None


def test_jenkins(gate):
    (text,) = page("jenkins", "groovy")
    step = dict(re.findall(r"""(\w+): ['"]?(.*?)['"]?,?$""", text, re.M))
    assert step["validResponseContent"] == '"allowed":true'
    assert jenkins(step, gate.at(gate.good), gate.header) is None
    for what in (gate.bad, gate.uncaptured, "versions/999"):
        assert "content" in jenkins(step, gate.at(what), gate.header)
    assert "401" in jenkins(step, gate.at(gate.good), {})
    assert "408" in jenkins(step, "http://127.0.0.1:1/", {})


# curl: `--fail-with-body` exits with 22 for 400 and above, and prints the body all the same.
# https://curl.se/docs/manpage.html#--fail-with-body. GitHub Actions: a step's shell is `bash -e`.


def curl(script: str, gate, version: str, token: str | None = None):
    script = script.replace("https://evidence.example.org", gate.url)
    env = {**os.environ, "EVIDENCE_TOKEN": token or gate.token, "VERSION": version}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def scripts() -> list[str]:
    (workflow,) = [yaml.safe_load(text) for text in page("curl", "yaml")]
    steps = [one for job in workflow["jobs"].values() for one in job["steps"]]
    return [*page("curl", "sh"), *(one["run"] for one in steps if "curl" in one.get("run", ""))]


@pytest.mark.parametrize("script", scripts())
def test_curl(gate, script):
    good = curl(script, gate, gate.world.v_good)
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["allowed"] is True
    bad = curl(script, gate, gate.world.v_regressed)
    assert bad.returncode == 22
    assert json.loads(bad.stdout)["document"]["reasons"][0]["code"] == "no-regression"
    assert curl(script, gate, gate.world.v_good, "mle_0_0").returncode == 22
    assert curl(script, SimpleNamespace(url="http://127.0.0.1:1", token="x"), "1").returncode == 7


# Azure Boards: PATCH of a work item with JSON Patch; a hyperlink is a relation, and the same
# address twice is refused.
# https://learn.microsoft.com/rest/api/azure/devops/wit/work-items/update


def boards() -> Double:
    relations: list[dict] = []

    def work(asked):
        if asked.headers.get("content-type") != "application/json-patch+json":
            return 415, {"message": "not a patch"}
        if not asked.path.startswith("/contoso/Risk/_apis/wit/workitems/42?api-version="):
            return 404, {}
        for step in asked.json:
            value = step["value"]
            if (step["op"], step["path"]) != ("add", "/relations/-") or set(value) - {
                "rel",
                "url",
                "attributes",
            }:
                return 400, {"message": "no such operation"}
            if value["rel"] != "Hyperlink" or value["url"] in [one["url"] for one in relations]:
                return 400, {"message": "Relation already exists."}
            relations.append(value)
        return 200, {"id": 42, "relations": relations}

    return Double(work)


def test_azure_boards(gate):
    answer = requests.get(gate.at(gate.good), headers=gate.header, timeout=10).json()
    assert answer["details_url"].startswith(gate.url)
    (patch,) = page("azure-boards", "json")
    patch = patch.replace("$DETAILS_URL", answer["details_url"])
    patch = patch.replace("$STATUS", answer["status"]).replace("$SUBJECT", answer["subject"])
    assert "$" not in patch
    double = boards()
    with listening(double) as url:
        send_patch = lambda body: _patch(f"{url}/contoso/Risk", body)  # noqa: E731
        status, item = send_patch(patch)
        assert status == 200
        (link,) = item["relations"]
        assert link["url"] == answer["details_url"]
        assert link["attributes"]["comment"] == f"passed: {answer['subject']}"
        assert send_patch(patch)[0] == 400  # as the page says: it is there already


def _patch(base: str, body: str) -> tuple[int, dict]:
    headers = {"Content-Type": "application/json-patch+json"}
    return send(f"{base}/_apis/wit/workitems/42?api-version=7.1", headers, body.encode())


NAMES = ("argo-rollouts", "argo-cd", "kyverno", "jenkins", "azure-boards", "curl")


@pytest.mark.parametrize("name", NAMES)
def test_each_recipe_is_in_the_index_and_says_what_goes_wrong(name):
    assert f"({name}.md)" in (PAGES / "README.md").read_text()
    assert "## What goes wrong, and how it is seen" in (PAGES / f"{name}.md").read_text()
