"""`run`, `model` and `store`: the tracking store in the shapes of `az ml`."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from mlflow_evidence_plugin.cli.run import RUNS
from mlflow_evidence_plugin.cli.text import pairs
from mlflow_evidence_plugin.collect import Catalogue, MlflowStore, Roots
from mlflow_evidence_plugin.collect.catalogue import EXPERIMENTS
from tests.faults.meddler import meddling

WORKSPACE = (
    "azureml://westeurope.api.azureml.ms/mlflow/v1.0/subscriptions/1111-2222/resourceGroups/rg"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws"
)
JOB = {"name", "display_name", "status", "experiment_name", "tags", "properties"}
JOB |= {"creation_context", "services"}
"""What `az ml job show` has and MLflow knows."""
MODEL = {"name", "version", "path", "description", "tags", "properties", "stage", "job_name"}
MODEL |= {"creation_context"}
"""Likewise of `az ml model show`."""


@pytest.fixture(scope="module")
def shelf(maker) -> SimpleNamespace:
    """Runs of an experiment of their own, in order, and a model with ten versions."""
    runs = []
    for auc in (0.1, 0.9, 0.5):
        runs.append(maker.run(auc=auc, experiment="shelf"))
        time.sleep(0.002)  # the order is by milliseconds
    running = maker.run(experiment="shelf", end=False, tags={"note": "two\nrows\x1b[2J"})
    source = f"{maker.client.get_run(runs[0]).info.artifact_uri}/model"
    maker.client.create_registered_model("it's a model")
    for _ in range(10):
        maker.client.create_model_version("it's a model", source, runs[0], await_creation_for=0)
    maker.client.set_registered_model_alias("it's a model", "champion", "3")
    return SimpleNamespace(runs=[*runs, running], running=running)


def test_runs_are_listed_newest_first_in_the_shape_of_jobs(on_server, shelf):
    done = on_server("run", "list", "--experiment", "shelf")
    assert done.code == 0, done.err
    assert [job["name"] for job in done.json] == shelf.runs[::-1]
    job = done.json[-1]
    assert set(job) == JOB
    assert (job["status"], job["experiment_name"]) == ("FINISHED", "shelf")
    assert job["tags"]["evidence.ticket"] == "CHG-1042"
    assert "mlflow.runName" in job["properties"] and "mlflow.runName" not in job["tags"]
    assert job["creation_context"]["created_at"].endswith("Z")
    assert job["services"]["Tracking"]["type"] == "Tracking"
    assert "Studio" not in job["services"]  # that is Azure ML's: never invented


def test_runs_of_all_experiments_are_one_list(on_server, world, shelf):
    found = on_server("run", "list", "--all", "--query", "[].[creation_context.created_at, name]")
    at = [one[0] for one in found.json]
    assert at == sorted(at, reverse=True)
    assert {world.good, world.foreign, *shelf.runs} <= {one[1] for one in found.json}


@pytest.mark.parametrize(
    ("words", "picked"),
    [
        (["--status", "running"], slice(3, 4)),
        (["--status", "FINISHED"], slice(0, 3)),
        (["--status", "Completed"], slice(0, 3)),
        (["--status", "canceled"], slice(0, 0)),
        (["--max-results", "2"], slice(2, 4)),
        (["--max-results", "1", "--all"], slice(0, 4)),
    ],
    ids=lambda words: "-".join(words) if isinstance(words, list) else "",
)
def test_runs_are_filtered_and_bounded(on_server, shelf, words, picked):
    done = on_server(
        "run", "list", "--experiment", "shelf", *words, "-o", "tsv", "--query", "[].name"
    )
    assert done.out.split() == shelf.runs[picked][::-1]


def test_a_tag_with_newlines_stays_in_its_row(on_server, shelf):
    words = ("--query", "[].{name: name, note: tags.note}")
    tsv = on_server("run", "list", "--experiment", "shelf", "-o", "tsv", *words)
    assert tsv.out.splitlines()[0] == f"{shelf.running}\ttwo\\nrows\\x1b[2J"
    table = on_server("run", "list", "--experiment", "shelf", "-o", "table", *words)
    assert len(table.out.splitlines()) == 5 and "\x1b" not in table.out


def test_the_tables_of_lists_have_a_line_each(on_server, shelf):
    runs = on_server("run", "list", "--experiment", "shelf", "-o", "table").out.splitlines()
    assert runs[0].split() == list(RUNS)
    assert len(runs) == 5
    models = on_server("model", "list", "-n", "it's a model", "-o", "table").out.splitlines()
    assert len(models) == 11


def test_one_run_is_shown_in_every_form(on_server, shelf):
    run_id = shelf.runs[0]
    job = on_server("run", "show", run_id).json
    assert set(job) == JOB
    table = on_server("run", "show", run_id, "-o", "table").out
    assert "creation_context.created_at" in table and "\nstatus " in table
    status = on_server("run", "show", run_id, "-o", "tsv", "--query", "status")
    assert status.out == "FINISHED\n"


def test_models_are_listed_with_their_latest_version(on_server, shelf):
    found = on_server("model", "list").json
    (model,) = [one for one in found if one["name"] == "it's a model"]
    assert model["latest_version"] == "10"  # a number, not a text: 9 is no later


def test_versions_are_listed_by_number_newest_first(on_server, shelf):
    words = ("--name", "it's a model", "-o", "tsv", "--query", "[].version")
    done = on_server("model", "list", *words)
    assert done.out.split() == [str(number) for number in range(10, 0, -1)]
    assert on_server("model", "list", *words, "--max-results", "2").out.split() == ["10", "9"]


@pytest.mark.parametrize("words", [["--version", "3"], ["-v", "3"], ["--alias", "champion"]])
def test_one_version_is_shown_in_the_shape_of_a_model(on_server, shelf, words):
    found = on_server("model", "show", "-n", "it's a model", *words).json
    assert (found["name"], found["version"]) == ("it's a model", "3")
    assert found["job_name"] == shelf.runs[0]
    assert found["path"].endswith("/model")
    assert set(found) <= MODEL


def test_the_store_is_shown_without_what_mlflow_does_not_know(
    on_server, on_disk, mlflow_url, local
):
    assert on_server("store", "show").json == {"mlflow_tracking_uri": mlflow_url}
    uri = local["MLFLOW_TRACKING_URI"]
    assert on_disk("store", "show").json == {"mlflow_tracking_uri": uri}
    assert on_disk("store", "show", "-o", "tsv").out == f"{uri}\n"


def test_passwords_in_the_stores_address_are_not_shown(az, mlflow_url):
    uri = mlflow_url.replace("http://", "http://ana:s3same-0pen@")
    done = az("store", "show", "--tracking-uri", uri)
    assert done.json == {"mlflow_tracking_uri": mlflow_url}
    assert "s3same-0pen" not in az("run", "list", "--tracking-uri", uri).out


def test_a_workspace_is_told_from_its_address(monkeypatch):
    store = MlflowStore(WORKSPACE, None, Roots.of_store(WORKSPACE), 1 << 20)
    monkeypatch.setattr(store, "ping", lambda: None)
    assert Catalogue(store, WORKSPACE, 1 << 20).workspace() == {
        "mlflow_tracking_uri": WORKSPACE,
        "name": "ws",
        "id": WORKSPACE.partition("/v1.0")[2],
        "resource_group": "rg",
        "location": "westeurope",
    }
    assert store.roots.allow(WORKSPACE.replace("/v1.0/", "/v2.0/") + "/experiments/1/runs/2")
    assert not store.roots.allow(WORKSPACE.replace("/v1.0/", "/v2.0/") + "-of-others/experiments")


@pytest.mark.parametrize(
    ("host", "studio"),
    [
        ("westeurope.api.azureml.ms", "ml.azure.com"),
        ("4f.workspace.westeurope.api.azureml.ms", "ml.azure.com"),
        ("chinaeast2.api.ml.azure.cn", "ml.azure.cn"),
        ("usgovvirginia.api.ml.azure.us", "ml.azure.us"),
        ("azureml.ms.example.org", None),
    ],
)
def test_studio_is_linked_for_the_clouds_that_we_know(host, studio):
    uri = WORKSPACE.replace("westeurope.api.azureml.ms", host)
    services = Catalogue(Store([run("r")]), uri, 1 << 20).run("r")["services"]
    where = "wsid=/subscriptions/1111-2222/resourcegroups/rg/workspaces/ws"
    link = f"https://{studio}/runs/r?{where}"
    assert services.get("Studio") == (studio and {"endpoint": link, "type": "Studio"})


@pytest.mark.parametrize("at", [None, 0, -(10**30), 10**30])
def test_a_time_that_is_none_is_left_out(at):
    job = Catalogue(Store([run("r", at)]), "https://mlflow.example.org", 1 << 20).run("r")
    assert job["creation_context"] == {}
    assert pairs(job)[0] == ("name", "r")


def test_more_experiments_than_a_search_takes_are_still_one_list():
    """Each search names a part of them; the lists are merged by time."""
    store = Store([run(f"r{at}", at, str(at % (2 * EXPERIMENTS))) for at in range(1, 3000)])
    found = Catalogue(store, "https://mlflow.example.org", 1 << 20).runs(None, None, 1200)
    assert [job["name"] for job in found] == [f"r{at}" for at in range(2999, 1799, -1)]
    assert max(len(ids) for ids in store.client.searched) <= EXPERIMENTS


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "show", "absent"], 4, "no run absent"),
        (["run", "show", "../../etc/passwd"], 4, "run ../../etc/passwd"),
        (["run", "list", "--experiment", "absent"], 4, "no experiment absent"),
        (["run", "list", "--status", "odd"], 2, "odd"),
        (["run", "list", "--max-results", "0"], 2, "0"),
        (["run", "list", "--query", "["], 2, "column 2"),
        (["model", "list", "--name", "absent"], 4, "no model absent"),
        (["model", "list", "--name", "'\""], 2, "quotes"),
        (["model", "show", "-n", "absent", "-v", "1"], 4, "version 1 of model absent"),
        (["model", "show", "-n", "credit", "--alias", "absent"], 4, "alias absent"),
        (["model", "show", "-n", "credit"], 2, "--version or --alias"),
        (["model", "show", "-n", "credit", "-v", "1", "--alias", "x"], 2, "--version or --alias"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_there_or_makes_no_sense_is_said(on_server, world, words, code, said):
    done = on_server(*words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("", 7),
        ("sqlite:///absent.db", 7),
        ("absent/folder", 7),
        ("http://127.0.0.1:1", 6),
    ],
    ids=["none", "no-database", "no-folder", "nobody-there"],
)
def test_a_store_that_cannot_be_asked_is_said_and_none_is_made(az, tmp_path, uri, code):
    for words in (["run", "list"], ["model", "list"], ["store", "show"]):
        done = az(*words, MLFLOW_TRACKING_URI=uri)
        assert (done.code, done.out) == (code, ""), done.err
        assert "mend: " in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_gives_the_same_page_for_ever_is_no_endless_list(az, mlflow_url, shelf):
    with meddling(mlflow_url) as meddler:
        first = []

        def again(asked, forward):
            if "runs/search" not in asked:
                return forward()
            if not first:
                first.append(forward())
            return first[0].saying({**first[0].json, "next_page_token": "x"})

        meddler.meddle = again
        done = az("run", "list", "--all", "--tracking-uri", meddler.url)
    assert done.code == 6


def run(run_id: str, at: int | None = 1, experiment: str = "1") -> SimpleNamespace:
    info = SimpleNamespace(
        run_id=run_id,
        run_name="",
        status="FINISHED",
        start_time=at,
        user_id="",
        experiment_id=experiment,
    )
    return SimpleNamespace(info=info, data=SimpleNamespace(tags={}))


class Page(list):
    token = None


class Client:
    """MLflow's client on a list of runs."""

    def __init__(self, runs) -> None:
        self.runs, self.searched = runs, []

    def get_run(self, run_id):
        return next(one for one in self.runs if one.info.run_id == run_id)

    def get_experiment(self, experiment_id):
        return SimpleNamespace(experiment_id=experiment_id, name=f"e{experiment_id}")

    def search_experiments(self, page_token):
        return Page(map(self.get_experiment, sorted({one.info.experiment_id for one in self.runs})))

    def search_runs(self, ids, where, max_results, order_by, page_token):
        assert order_by == ["attributes.start_time DESC"]
        self.searched.append(ids)
        found = [one for one in self.runs[::-1] if one.info.experiment_id in set(ids)]
        at = int(page_token or 0)
        page = Page(found[at : at + max_results])
        page.token = str(at + max_results) if at + max_results < len(found) else None
        return page


class Store:
    tracking_uri = "https://mlflow.example.org"
    roots = Roots(())

    def __init__(self, runs) -> None:
        self.client = Client(runs)
