"""Consumers without a module of their own: their rules, on what the service answers.

Each evaluator is the consumer's own rule, with the place where it is written down.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import jmespath
import pytest
import requests
import yaml

from mlflow_evidence_plugin.errors import StoreUnavailable
from tests.api.stores import Away
from tests.conftest import instant
from tests.consumers.doubles import Double, listening, send

PAGES = Path(__file__).parents[2] / "docs/integrations"
SERVICE = "https://evidence.example.org"
"""Where the pages have the service."""

NOWHERE = "http://127.0.0.1:1"


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
    bound = service.evidence.tokens.create(
        "gate", ("evidence:read",), ("*",), ("credit",), instant(timedelta()), None, (), "prod"
    )
    at = lambda what, query="": (  # noqa: E731
        f"{served.url}/v1/models/credit/{what}/decision?environment=prod{query}"
    )
    return SimpleNamespace(
        url=served.url,
        at=at,
        token=token,
        bound=bound,
        header={"Authorization": f"Bearer {token}"},
        good=f"versions/{world.v_good}",
        bad=f"versions/{world.v_regressed}",
        uncaptured=f"versions/{world.v_uncaptured}",
        world=world,
    )


# Argo Rollouts: metricproviders/webmetric/webmetric.go. A status that is not 2xx, a body that is no
# JSON and a path that leads nowhere are an *Error*; else the condition says Successful or Failed.


def measurement(metric: dict, args: dict[str, str], base: str) -> str:
    web = metric["provider"]["web"]
    fill = lambda text: re.sub(r"{{\s*args\.([\w-]+)\s*}}", lambda m: args[m[1]], text)  # noqa: E731
    headers = {one["key"]: fill(one["value"]) for one in web["headers"]}
    url = fill(web["url"]).replace(SERVICE, base)
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


def argo_metric(change=lambda url: url) -> dict:
    """The page's metric, its URL perhaps changed."""
    (template,) = [one for one in documents("argo-rollouts") if one["kind"] == "AnalysisTemplate"]
    assert {one["name"] for one in template["spec"]["args"]} == {"model", "version", "token"}
    (metric,) = template["spec"]["metrics"]
    web = metric["provider"]["web"]
    assert change(web["url"]).startswith(f"{SERVICE}/v1/models/")
    web["url"] = change(web["url"])
    return metric


def test_argo_rollouts(gate):
    metric, world = argo_metric(), gate.world
    args = {"model": "credit", "version": world.v_good, "token": gate.token}
    ask = lambda base=gate.url, **more: measurement(metric, args | more, base)  # noqa: E731
    assert ask() == "Successful"
    for version in (world.v_regressed, world.v_uncaptured, "999"):
        assert ask(version=version) == "Failed", version
    assert ask(token="mle_0_0") == "Error"
    assert ask(NOWHERE) == "Error"
    # What it would get wrong: a denial by status is an error to it, and is measured again.
    enforced = argo_metric(lambda url: f"{url}&enforce=true")
    assert measurement(enforced, args | {"version": world.v_regressed}, gate.url) == "Error"


def test_a_version_of_argo_rollouts_names_no_other_environment(gate):
    args = {"model": "credit", "token": gate.bound}
    other = f"{gate.world.v_good}/decision?environment=lab#"
    assert measurement(argo_metric(), args | {"version": gate.world.v_good}, gate.url) != "Error"
    assert measurement(argo_metric(), args | {"version": other}, gate.url) == "Error"


def test_argo_rollouts_fails_while_the_store_is_away(start, service, gate):
    store = Away(StoreUnavailable("the tracking store is away"))
    parts = {**vars(service.evidence.capturing), "store": store}
    other = start(capturing=type(service.evidence.capturing)(**parts))
    metric = argo_metric(lambda u: u.replace("/versions/{{args.version}}", "/aliases/production"))
    args = {"model": "credit", "token": gate.token}
    assert measurement(metric, args, other.url) == "Failed"


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
# A rule that names no operations is applied to all of them; of a DELETE there is no request.object.
# https://kyverno.io/docs/policy-types/cluster-policy/match-exclude/

EVERY_OPERATION = ["CREATE", "UPDATE", "DELETE", "CONNECT"]
OWN_TOKEN = "Bearer eyJhbGciOiJSUzI1NiJ9.e30.x"


class Functions(jmespath.functions.Functions):
    """What Kyverno adds to JMESPath, as far as the page uses it."""

    @jmespath.functions.signature({"types": ["string"]})
    def _func_base64_decode(self, text):
        return base64.b64decode(text).decode()


def looked_up(path: str, context: dict):
    """A variable; KeyError for one that is not there, which Kyverno does not put up with."""
    found = jmespath.search(path, context, jmespath.Options(custom_functions=Functions()))
    if found is None:
        raise KeyError(path)
    return found


def substituted(text: str, context: dict) -> str:
    return re.sub(r"{{\s*(.+?)\s*}}", lambda m: str(looked_up(m[1], context)), text)


def kyverno(rule: dict, base: str, request: dict, token: str) -> str:
    (match,) = rule["match"]["any"]
    if request["operation"] not in match["resources"].get("operations", EVERY_OPERATION):
        return "admitted"
    context = {"request": request}
    try:
        for entry in rule["context"]:
            context[entry["name"]] = _called(entry["apiCall"], base, context, token)
        (condition,) = rule["validate"]["deny"]["conditions"]["any"]
        assert condition["operator"] == "NotEquals"
        found = looked_up(condition["key"].strip("{} "), context)
    except (requests.RequestException, ValueError, KeyError):
        return "error"
    return "denied" if found is not condition["value"] else "admitted"


def _called(call: dict, base: str, context: dict, token: str):
    if "service" not in call:
        secret = {"data": {"token": base64.b64encode(token.encode()).decode()}}
        return looked_up(call["jmesPath"], secret)
    service = call["service"]
    headers = {one["key"]: substituted(one["value"], context) for one in service.get("headers", [])}
    headers.setdefault("Authorization", OWN_TOKEN)
    url = substituted(service["url"], context).replace(SERVICE, base)
    answer = requests.request(call["method"], url, headers=headers, timeout=10)
    answer.raise_for_status()
    return answer.json()


def annotated(version: str | None, model: str = "credit", operation: str = "CREATE") -> dict:
    """A request for admission of a Deployment."""
    named = {"mlflow-evidence/model": model, "mlflow-evidence/version": version}
    given = {key: value for key, value in named.items() if value is not None}
    return {"operation": operation, "object": {"metadata": {"annotations": given}}}


@pytest.fixture
def rule() -> dict:
    (policy,) = [one for one in documents("kyverno") if one["kind"] == "ClusterPolicy"]
    assert policy["spec"].get("failurePolicy", "Fail") == "Fail"
    (found,) = policy["spec"]["rules"]
    return found


def test_kyverno(gate, rule):
    world = gate.world
    ask = lambda *named, token=gate.token: kyverno(rule, gate.url, annotated(*named), token)  # noqa: E731
    assert ask(world.v_good) == "admitted"
    for version in (world.v_regressed, world.v_uncaptured, "999"):
        assert ask(version) == "denied"
    for named in ([None], ["999", "vault"]):
        assert ask(*named) == "error"
    assert ask(world.v_good, token="mle_0_0") == "error"
    assert kyverno(rule, NOWHERE, annotated(world.v_good), gate.token) == "error"
    silent = copy.deepcopy(rule)
    for entry in silent["context"]:
        entry["apiCall"].get("service", {}).pop("headers", None)
    assert kyverno(silent, gate.url, annotated(world.v_good), gate.token) == "error"


def test_kyverno_lets_a_deployment_be_deleted(gate, rule):
    for operation in ("CREATE", "UPDATE"):
        request = annotated(gate.world.v_regressed, operation=operation)
        assert kyverno(rule, gate.url, request, gate.token) == "denied"
    deleted = {"operation": "DELETE", "object": {}}
    assert kyverno(rule, gate.url, deleted, gate.token) == "admitted"


def test_a_version_of_kyverno_names_no_other_environment(gate, rule):
    request = annotated(f"{gate.world.v_good}/decision?environment=lab#")
    assert kyverno(rule, gate.url, annotated(gate.world.v_good), gate.bound) == "admitted"
    assert kyverno(rule, gate.url, request, gate.bound) == "error"


# Jenkins: HttpRequestExecution.java. The status must lie in `validResponseCodes`; the body
# must then contain `validResponseContent`, letter by letter. No connection is 408, no host 404.


def jenkins(version: str, base: str, token: str) -> str | None:
    """What the page's step says; None when it goes on. Groovy's `==~` matches the whole text."""
    (text,) = page("jenkins", "groovy")
    guard, call = text.split("withCredentials", 1)
    (number,) = re.findall(r"^if \(!\(params\.VERSION ==~ /(.+)/\)\) { error .* }$", guard, re.M)
    if not re.fullmatch(number, version):
        return "error"
    step = dict(re.findall(r"""(\w+): ['"]?(.*?)['"]?,?$""", call, re.M))
    (header,) = re.findall(r"name: 'Authorization', value: \"(.*?)\"", call)
    url = step["url"].replace("${params.VERSION}", version).replace(SERVICE, base)
    headers = {"Authorization": header.replace("${EVIDENCE_TOKEN}", token)}
    try:
        answer = requests.get(url, headers=headers, timeout=int(step["timeout"]))
        status, content = answer.status_code, answer.text
    except requests.RequestException:
        status, content = 408, ""
    first, _, last = step["validResponseCodes"].partition(":")
    if not int(first) <= status <= int(last or first):
        return f"the returned code {status} is not in the accepted range"
    assert step["validResponseContent"] == '"allowed":true'
    if step["validResponseContent"] not in content:
        return "Response doesn't contain expected content"
    return None


def test_jenkins(gate):
    world = gate.world
    assert jenkins(world.v_good, gate.url, gate.token) is None
    for version in (world.v_regressed, world.v_uncaptured, "999"):
        assert "content" in jenkins(version, gate.url, gate.token)
    assert "401" in jenkins(world.v_good, gate.url, "")
    assert "408" in jenkins(world.v_good, NOWHERE, gate.token)


# curl: `--fail-with-body` exits with 22 for 400 and above, and prints the body all the same.
# https://curl.se/docs/manpage.html#--fail-with-body. GitHub Actions: a step's shell is `bash -e`.


def curl(script: str, gate, version: str, token: str | None = None):
    script = script.replace(SERVICE, gate.url)
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
    assert curl(script, SimpleNamespace(url=NOWHERE, token="x"), "1").returncode == 7


# A version in a URL: what follows a `#` is not sent, so that `enforce=true` is swallowed, and after
# a `?` another environment may be named.

NO_VERSIONS = {
    "fragment": "{bad}/decision?environment=prod#",
    "query": "{bad}/decision?environment=lab&x=",
    "path": "../aliases/production",
    "glob": "[{bad}-{bad}]",
    "line-break": "{good}\n",
    "options": "{good} -o /dev/null",
    "empty": "",
}


@pytest.mark.parametrize("name", NO_VERSIONS)
@pytest.mark.parametrize("script", scripts())
def test_curl_asks_for_nothing_but_a_version(gate, script, name):
    version = NO_VERSIONS[name].format(bad=gate.world.v_regressed, good=gate.world.v_good)
    done = curl(script, gate, version)
    assert (done.returncode, done.stdout) == (2, "")
    assert "VERSION" in done.stderr


@pytest.mark.parametrize("name", NO_VERSIONS)
def test_jenkins_asks_for_nothing_but_a_version(gate, name):
    version = NO_VERSIONS[name].format(bad=gate.world.v_regressed, good=gate.world.v_good)
    assert jenkins(version, gate.url, gate.token) == "error"


@pytest.mark.parametrize("name", NO_VERSIONS)
def test_azure_boards_asks_for_nothing_but_a_version(gate, name):
    (script,) = page("azure-boards", "sh")
    script = script.replace("https://dev.azure.com", NOWHERE)
    version = NO_VERSIONS[name].format(bad=gate.world.v_regressed, good=gate.world.v_good)
    done = curl(script, gate, version)
    assert (done.returncode, done.stdout) == (2, "")


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
