"""A real `mlflow server` with our plugin: what it stamps from the header, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from mlflow_evidence_plugin.errors import BadConfig
from mlflow_evidence_plugin.server_plugin import REQUIRE, REQUIRE_RUN, Rules
from mlflow_evidence_plugin.tags import HEADER
from tests.servers import mlflow_server

ROOT = Path(__file__).parents[2]
OLDEST = ROOT / ".venv-oldest"
STRICT = {REQUIRE: "owner, ticket", REQUIRE_RUN: "true"}
MARK = {"evidence.schema": "1", "evidence.stamped_by": "server"}
SAID = "owner=jo%40example.org&ticket=CHG-7"
TOLD = {**MARK, "evidence.owner": "jo@example.org", "evidence.ticket": "CHG-7"}
PREFIXES = ("api", "ajax-api")
GOVERNED = [
    {"key": "evidence.owner", "value": "ann"},
    {"key": "evidence.ticket", "value": "CHG-1"},
]
SOURCE = "s3://models/credit"


@dataclass
class Server:
    """A tracking server over REST, as any program may ask it."""

    url: str
    auth: tuple[str, str] | None = None

    def ask(
        self, call: str, body: Any = None, said: str | None = None, prefix: str = "api"
    ) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                "GET" if body is None else "POST",
                f"{self.url}/{prefix}/2.0/mlflow/{call}",
                json=body,
                headers={} if said is None else {HEADER: said},
                auth=self.auth,
                timeout=60,
            )

    def create(self, said: str | None = None, tags: Any = (), prefix: str = "api") -> str:
        body = {"experiment_id": "0", "start_time": 1, "tags": list(tags)}
        answer = self.ask("runs/create", body, said, prefix)
        assert answer.status_code == 200, answer.text
        return answer.json()["run"]["info"]["run_id"]

    def tags(self, run_id: str) -> dict[str, str]:
        data = self.ask(f"runs/get?run_id={run_id}").json()["run"]["data"]
        found = {tag["key"]: tag["value"] for tag in data.get("tags", ())}
        return {name: value for name, value in found.items() if name.startswith("evidence.")}

    def register(self, prefix: str = "api", **body: Any) -> requests.Response:
        self.ask("registered-models/create", {"name": "credit"})
        body = {"name": "credit", "source": SOURCE, **body}
        return self.ask("model-versions/create", body, prefix=prefix)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with mlflow_server(tmp_path_factory.mktemp("plain"), "--app-name", "evidence") as url:
        yield Server(url)


@pytest.fixture(scope="module", params=["newest", "oldest"])
def strict(request, tmp_path_factory):
    """One that refuses all that it can; of the oldest mlflow too, where that is installed."""
    options: dict[str, Any] = dict(STRICT)
    if request.param == "oldest":
        found = OLDEST.glob("lib/*/site-packages/mlflow_evidence_plugin-*/entry_points.txt")
        if not any("mlflow.app" in file.read_text() for file in found):
            pytest.skip("no .venv-oldest: make test-oldest")
        options["python"] = str(OLDEST / "bin" / "python")
    folder = tmp_path_factory.mktemp(request.param)
    with mlflow_server(folder, "--app-name", "evidence", **options) as url:
        yield Server(url)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    secrets = {
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "made-up-for-a-test",
        "MLFLOW_AUTH_ADMIN_PASSWORD": "made-up-for-a-test",
    }
    folder = tmp_path_factory.mktemp("guarded")
    with mlflow_server(folder, "--app-name", "evidence-basic-auth", **STRICT, **secrets) as url:
        yield Server(url, ("admin", "made-up-for-a-test"))


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_client_that_only_sends_the_header_is_stamped(plain, prefix):
    assert plain.tags(plain.create(SAID, prefix=prefix)) == TOLD


def test_tags_that_were_given_win(plain):
    found = plain.tags(plain.create(SAID, GOVERNED[:1]))
    assert found == {**TOLD, "evidence.owner": "ann"}


def test_a_run_that_the_plugin_has_stamped_is_left_alone(plain):
    stamped = {"key": "evidence.stamped_by", "value": "create"}
    assert plain.tags(plain.create(SAID, [stamped])) == {"evidence.stamped_by": "create"}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_resumed_run_is_stamped_once(plain, prefix):
    run_id = plain.create()
    for status, said in (("FINISHED", SAID), ("RUNNING", None)):
        plain.ask("runs/update", {"run_id": run_id, "status": status}, said, prefix)
        assert plain.tags(run_id) == {}
    for said in (SAID, "owner=other&team=x"):
        answer = plain.ask("runs/update", {"run_id": run_id, "status": "RUNNING"}, said, prefix)
        assert answer.status_code == 200
        assert plain.tags(run_id) == TOLD


BAD = {
    "empty": "",
    "no pairs": "owner",
    "unknown": "colour=red",
    "sent twice": "owner=jo, owner=ann",
    "said twice": "owner=jo&owner=ann",
    "joined": "owner=jo owner=ann",
    "no utf-8": "owner=%ff",
    "line break": "owner=jo%0d%0aX-Other:%20b",
    "nul": "owner=%00",
    "too long": "owner=" + "x" * 1_001,
    "very long": "owner=" + "x" * 9_000,
    "too many": "&".join(f"name{number}=x" for number in range(100)),
    "credential": "owner=ghp_" + "a1B2" * 9,
}


@pytest.mark.parametrize("said", BAD.values(), ids=BAD.keys())
def test_a_bad_header_breaks_no_request_and_stamps_nothing(plain, said):
    assert plain.tags(plain.create(said)) == {}


def test_nothing_is_refused_unless_asked_for(plain):
    assert plain.tags(plain.create()) == {}
    assert plain.register().status_code == 200
    assert plain.register(run_id="0" * 32).status_code == 200


def test_the_rest_of_the_server_works(plain):
    page = requests.get(f"{plain.url}/", timeout=60)
    assert (page.status_code, "<html" in page.text) == (200, True)
    place = f"{plain.url}/api/2.0/mlflow-artifacts/artifacts/notes/kept.txt"
    assert requests.put(place, data=b"kept", timeout=60).status_code == 200
    assert requests.get(place, timeout=60).content == b"kept"


LACKING = {
    "nothing": ({}, None),
    "one of two": ({"tags": GOVERNED[:1]}, None),
    "blank": ({"tags": [GOVERNED[0], {"key": "evidence.ticket", "value": " "}]}, None),
    "a credential in the header": ({"tags": GOVERNED[:1]}, "ticket=ghp_" + "a1B2" * 9),
    "header of a stamped run": (
        {"tags": [GOVERNED[0], {"key": "evidence.stamped_by", "value": "create"}]},
        SAID,
    ),
}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(("body", "said"), LACKING.values(), ids=LACKING.keys())
def test_a_run_without_what_is_required_is_refused(strict, body, said, prefix):
    answer = strict.ask("runs/create", {"experiment_id": "0", **body}, said, prefix)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert "evidence.ticket" in answer.json()["message"]
    assert "EVIDENCE_TICKET" in answer.json()["message"]
    assert strict.ask("runs/search", {"experiment_ids": ["0"], "filter": "tags.x = 'y'"}).ok


@pytest.mark.parametrize("body", ["text", [1], {"tags": "x"}, {"tags": [1]}])
def test_a_request_that_cannot_be_read_is_refused(strict, body):
    assert strict.ask("runs/create", body, SAID).status_code == 400


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("tags", "said"), [(GOVERNED, None), ((), SAID), (GOVERNED[:1], "ticket=CHG-1")]
)
def test_a_run_with_what_is_required_is_made_and_carries_it(strict, tags, said, prefix):
    found = strict.tags(strict.create(said, tags, prefix))
    assert {"evidence.owner", "evidence.ticket"} <= found.keys()


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"run_id": ""},
        {"run_id": "0" * 32},
        {"runId": "0" * 32},
        {"run_id": "no such run"},
        {"tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]},
    ],
)
def test_a_model_version_without_a_run_is_refused(strict, body, prefix):
    answer = strict.register(prefix, **body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "register it by runs:/" in answer.json()["message"]


@pytest.mark.parametrize("name", ["run_id", "runId"])
def test_a_model_version_with_its_run_is_registered(strict, name):
    answer = strict.register(**{name: strict.create(SAID)})
    assert answer.status_code == 200, answer.text


CLIENT = """
import mlflow, os
with mlflow.start_run() as run:
    pass
if "LOGGED_MODELS" in os.environ:
    model = mlflow.create_external_model("kept", source_run_id=run.info.run_id)
    mlflow.register_model(f"models:/{model.model_id}", "fluent")
mlflow.genai.register_prompt("greeting", "Hello {{name}}")
report(run.info.run_id)
"""


def test_mlflows_own_client_with_the_plugin_passes(run, strict):
    env = {"MLFLOW_TRACKING_URI": strict.url, "EVIDENCE_OWNER": "jo", "EVIDENCE_TICKET": "CHG-2"}
    if not requests.get(f"{strict.url}/version", timeout=60).text.startswith("2."):
        env["LOGGED_MODELS"] = "1"
    (found,) = run(CLIENT, env).tags
    assert (found["evidence.stamped_by"], found["evidence.ticket"]) == ("create", "CHG-2")


def test_a_resume_gets_all_tags_though_the_server_was_first(run, plain):
    run_id = plain.create()
    script = f"import mlflow\nwith mlflow.start_run(run_id='{run_id}'): pass\nreport('{run_id}')"
    env = {"MLFLOW_TRACKING_URI": plain.url, "EVIDENCE_OWNER": "jo", "EVIDENCE_RUNBOOK": "page 3"}
    (found,) = run(script, env).tags
    assert found["evidence.stamped_by"] == "server"
    assert (found["evidence.owner"], found["evidence.runbook"]) == ("jo", "page 3")
    assert "evidence.resumed.owner" not in found
    (found,) = run(script, {**env, "EVIDENCE_OWNER": "ann", "EVIDENCE_SUPPORT": "x"}).tags
    assert (found["evidence.owner"], found["evidence.resumed.owner"]) == ("jo", "ann")
    assert "evidence.support" not in found


def test_behind_basic_auth(guarded):
    stranger = Server(guarded.url)
    assert stranger.ask("runs/create", {"experiment_id": "0"}, SAID).status_code == 401
    assert stranger.ask("runs/create", {"experiment_id": "0"}).status_code == 401
    assert requests.get(f"{guarded.url}/", timeout=60).status_code == 401
    assert guarded.tags(guarded.create(SAID)) == TOLD
    assert guarded.ask("runs/create", {"experiment_id": "0"}).status_code == 400
    assert guarded.register().status_code == 400


def test_a_misspelt_rule_stops_the_start(tmp_path):
    said = {REQUIRE: "owner,tikcet"}
    with (
        pytest.raises(RuntimeError, match="EVIDENCE_SERVER_REQUIRE: tikcet; known: owner"),
        mlflow_server(tmp_path, "--app-name", "evidence", **said),
    ):
        pass


@pytest.mark.parametrize("said", [{REQUIRE: "tikcet"}, {REQUIRE_RUN: "ture"}])
def test_a_rule_that_means_nothing(said):
    with pytest.raises(BadConfig):
        Rules.read(said)


@pytest.mark.parametrize(
    ("said", "rules"),
    [
        ({}, Rules()),
        ({REQUIRE: " , ", REQUIRE_RUN: "0"}, Rules()),
        ({REQUIRE: "owner,git.commit", REQUIRE_RUN: "True"}, Rules(("owner", "git.commit"), True)),
    ],
)
def test_rules(said, rules):
    assert Rules.read(said) == rules
