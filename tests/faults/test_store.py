"""A store that is down, slow, wrong or hostile costs delay or a gap, never false evidence."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket

import pytest

from mlflow_evidence_plugin.service.capture import ATTEMPTS
from tests.contract.checked import Client
from tests.faults.meddler import Answer, meddling
from tests.servers import free_port
from tests.world import Maker

HTML = b"<html><body>Welcome to the proxy of example.org</body></html>"
SUBJECTS = [
    {"run_id": "0" * 32},
    {"model": "credit", "version": "1"},
    {"model": "credit", "alias": "production"},
]
BY = ["run", "version", "alias"]


@pytest.fixture
def meddler(mlflow_url):
    with meddling(mlflow_url) as made:
        yield made


@pytest.fixture
def through(meddler, started):
    """A service that sees the tracking server through the meddler, and its client."""
    service = started(meddler.url)
    return service, Client(service.app(), (service.home / "token").read_text().strip())


def client_of(service):
    return Client(service.app(), (service.home / "token").read_text().strip())


def gaps(client, made):
    assert made.status_code == 201, made.text
    found = client.get(made.json["bundle"]).json["record"]
    return {(gap["place"], gap["code"]) for gap in found["gaps"]}, found


def always(answer):
    return lambda _asked, _forward: answer


def left(service):
    """Rows that are there, but for the captures and the first token."""
    there_anyway = ("captures", "tokens", "ledger", "signing_keys")
    return {k: n for k, n in service.counts().items() if n and k not in there_anyway}


@pytest.mark.parametrize("subject", SUBJECTS, ids=BY)
def test_while_the_server_is_down_a_capture_waits_to_be_tried_again(started, subject):
    service = started(f"http://127.0.0.1:{free_port()}")
    made = client_of(service).capture(**subject)
    assert (made.status_code, made.json["state"], made.json["attempts"]) == (202, "accepted", 1)
    assert made.json["error"]["code"] == "store-unavailable"
    assert made.json["error"]["mend"]
    assert left(service) == {}


def test_a_server_that_stays_away_fails_the_capture_at_last(started):
    service = started(f"http://127.0.0.1:{free_port()}")
    client = client_of(service)
    made = client.capture(run_id="0" * 32).json
    for _ in range(ATTEMPTS - 1):
        service.evidence.capturing.perform(made["id"])
    ended = client.get(f"/v1/captures/{made['id']}").json
    assert (ended["state"], ended["attempts"]) == ("failed", ATTEMPTS)
    assert ended["error"]["code"] == "store-unavailable"
    assert left(service) == {}


def test_a_server_that_comes_back_is_captured_from_then(meddler, through, world):
    service, client = through
    meddler.meddle = always(Answer(503, b"{}"))
    made = client.capture(run_id=world.good)
    assert made.json["state"] == "accepted"
    meddler.meddle = lambda _, forward: forward()
    assert service.evidence.capturing.perform(made.json["id"]).state == "done"
    shown = client.get(f"/v1/captures/{made.json['id']}").json
    assert (shown["state"], shown["attempts"], "error" in shown) == ("done", 2, False)


def test_a_server_that_accepts_and_never_answers_does_not_hold_a_capture(started):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        service = started(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        made = client_of(service).capture(run_id="0" * 32)
    assert (made.status_code, made.json["error"]["code"]) == (202, "store-unavailable")


@pytest.mark.parametrize("subject", SUBJECTS, ids=BY)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, b'{"error_code": "INTERNAL_ERROR", "message": "secret path /srv/db"}'),
        Answer(502, HTML, "text/html"),
        Answer(200, HTML, "text/html"),
        Answer(200, b"{}"),
        Answer(200, b"[1]"),
        Answer(200, b'{"run": {"info": {}}, "model_version": {}}'),
        Answer(200, b""),
    ],
    ids=["500", "502-html", "200-html", "200-{}", "200-list", "200-hollow", "200-empty"],
)
def test_what_no_tracking_server_should_answer_is_tried_again(meddler, through, subject, answer):
    service, client = through
    meddler.meddle = always(answer)
    made = client.capture(**subject)
    assert (made.status_code, made.json.get("error", {}).get("code")) == (202, "store-unavailable")
    assert "secret path" not in made.text
    assert "Welcome" not in made.text
    assert left(service) == {}


def test_rubbish_does_not_pass_for_a_foreign_run(meddler, through):
    service, _ = through
    narrow = Client(service.app(), service.token("narrow", experiments=("credit",)))
    meddler.meddle = always(Answer(200, b"{}"))
    made = narrow.capture(run_id="0" * 32)
    assert (made.status_code, made.json.get("error", {}).get("code")) == (202, "store-unavailable")


def test_rubbish_is_not_taken_for_the_holder_of_an_alias(meddler, through):
    _, client = through
    meddler.meddle = always(Answer(200, b"{}"))
    assert client.get("/v1/models/credit/aliases/production/evidence").status_code == 503


@pytest.mark.parametrize("subject", SUBJECTS, ids=BY)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}'),
        Answer(401, b"You are not authenticated.", "text/plain"),
        Answer(403, HTML, "text/html"),
    ],
    ids=["403", "401-text", "403-html"],
)
def test_a_server_that_refuses_us_fails_the_capture_at_once(meddler, through, subject, answer):
    service, client = through
    meddler.meddle = always(answer)
    made = client.capture(**subject)
    assert (made.status_code, made.json["code"]) == (502, "store-refused")
    assert left(service) == {}


def test_one_metric_history_that_fails_is_a_gap_and_the_rest_is_captured(meddler, through, world):
    _, client = through

    def meddle(asked, forward):
        lost = "metrics/get-history" in asked and "metric_key=log_loss" in asked
        return Answer(500, b"{}") if lost else forward()

    meddler.meddle = meddle
    told, found = gaps(client, client.capture(run_id=world.good))
    assert told == {("history/log_loss", "unreadable")}
    assert set(found["metrics"]["facts"]) == {"auc", "log_loss"}
    assert set(found["history"]["facts"]) == {"auc"}
    assert "value" in found["metrics"]["facts"]["log_loss"]


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ("experiments/get", "run/experiment"),
        ("runs/search", "lineage/children"),
        ("model-versions/search", "models/versions"),
        ("mlflow-artifacts/artifacts?", "outputs"),
    ],
)
def test_any_part_that_fails_is_a_gap(meddler, through, world, part, place):
    _, client = through
    meddler.meddle = lambda asked, forward: Answer(500, b"{}") if part in asked else forward()
    told, _ = gaps(client, client.capture(run_id=world.child))
    assert [at for at, _ in told] == [place]


def test_an_artifact_that_vanishes_after_it_was_listed_is_a_gap(meddler, through, world):
    _, client = through
    gone = "artifacts/report.md"
    meddler.meddle = lambda asked, forward: (
        Answer(404, b"{}") if asked.endswith(gone) else forward()
    )
    told, found = gaps(client, client.capture(run_id=world.good))
    assert told == {("outputs/report.md", "unreadable")}
    assert "model/weights.bin" in found["outputs"]["facts"]


@pytest.mark.parametrize(
    "body", [b"short", b"longer than it was " * 100], ids=["smaller", "bigger"]
)
def test_an_artifact_of_another_size_than_listed_is_a_gap(meddler, through, world, body):
    _, client = through
    meddler.meddle = lambda asked, forward: (
        Answer(200, body) if asked.endswith("model/weights.bin") else forward()
    )
    told, found = gaps(client, client.capture(run_id=world.good))
    assert told == {("outputs/model/weights.bin", "changed")}
    assert "model/weights.bin" not in found["outputs"]["facts"]


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "a/../../b"])
def test_a_listed_name_that_leads_out_is_a_gap_and_is_not_asked_for(meddler, through, world, name):
    _, client = through
    fetched = []

    def meddle(asked, forward):
        if "mlflow-artifacts/artifacts?" in asked and not asked.endswith("model"):
            listed = forward()
            files = [*listed.json["files"], {"path": name, "is_dir": False, "file_size": 9}]
            return listed.saying({"files": files})
        if "mlflow-artifacts/artifacts/" in asked:
            fetched.append(asked)
        return forward()

    meddler.meddle = meddle
    told, found = gaps(client, client.capture(run_id=world.child))
    assert told
    assert {place.partition("/")[0] for place, _ in told} == {"outputs"}
    assert not any("passwd" in asked or ".." in asked for asked in fetched)
    assert "root:" not in str(found)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """Its tables are made once: that takes longer than any of these tests."""
    import mlflow

    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def local(tmp_path, started, empty_database):
    """A SQLite store in a folder: a maker, the service, its client, a run's artifact folder."""
    folder = tmp_path / "store"
    (folder / "mlruns").mkdir(parents=True)
    uri = f"sqlite:///{shutil.copy(empty_database, folder)}"
    service = started(uri)
    maker = Maker(uri)
    maker.experiment("credit", artifact_location=(folder / "mlruns" / "credit").as_uri())
    return maker, service, client_of(service), folder


@pytest.fixture
def run_folder(local):
    maker, _, _, folder = local
    run_id = maker.run(files={"fine.txt": "fine\n"})
    return run_id, folder / "mlruns" / "credit" / run_id / "artifacts"


def test_a_local_store_is_captured_whole(local, run_folder):
    told, found = gaps(local[2], local[2].capture(run_id=run_folder[0]))
    assert (told, set(found["outputs"]["facts"])) == (set(), {"fine.txt"})


def test_a_link_out_of_the_root_is_a_gap_and_is_not_followed(local, run_folder, tmp_path):
    run_id, folder = run_folder
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "private.txt").write_text("private")
    (folder / "file.txt").symlink_to("/etc/passwd")
    (folder / "folder").symlink_to(tmp_path / "outside")
    told, found = gaps(local[2], local[2].capture(run_id=run_id))
    assert ("outputs/file.txt", "location-not-allowed") in told
    assert {place for place, _ in told} == {"outputs/file.txt", "outputs/folder"}
    assert set(found["outputs"]["facts"]) == {"fine.txt"}


def test_a_link_within_the_root_is_followed(local, run_folder):
    run_id, folder = run_folder
    (folder / "again.txt").symlink_to(folder / "fine.txt")
    told, found = gaps(local[2], local[2].capture(run_id=run_id))
    assert (told, set(found["outputs"]["facts"])) == (set(), {"fine.txt", "again.txt"})


def test_a_fifo_among_the_artifacts_is_a_gap_and_does_not_hold_us(local, run_folder):
    run_id, folder = run_folder
    os.mkfifo(folder / "pipe")
    told, found = gaps(local[2], local[2].capture(run_id=run_id))
    assert told == {("outputs/pipe", "not-a-file")}
    assert set(found["outputs"]["facts"]) == {"fine.txt"}


def test_a_broken_link_is_a_gap(local, run_folder):
    run_id, folder = run_folder
    (folder / "broken").symlink_to(folder / "nothing")
    told, _ = gaps(local[2], local[2].capture(run_id=run_id))
    # MLflow's client gives up on the whole folder then.
    assert told == {("outputs", "not-listed")}


def test_links_in_a_circle_end(local, run_folder):
    run_id, folder = run_folder
    for name in ("a", "b"):
        (folder / name).symlink_to(folder)
    # A process of its own can be ended, also when it goes round and round.
    child = multiprocessing.get_context("fork").Process(
        target=lambda: local[2].capture(run_id=run_id)
    )
    child.start()
    child.join(5)
    ended = child.exitcode
    child.kill()
    child.join()
    assert ended == 0


def test_a_local_file_removed_while_others_are_read_is_a_gap(local, run_folder):
    from dataclasses import replace

    run_id, folder = run_folder
    service = local[1]
    (folder / "zz.txt").write_text("gone soon")
    store = service.evidence.capturing.store

    class Removing:
        def __getattr__(self, name):
            return getattr(store, name)

        def run(self, run_id, observe, progress):
            def removing(place):
                (folder / "zz.txt").unlink(missing_ok=True)
                return observe(place)

            store.readers = 1
            return store.run(run_id, removing, progress)

    capturing = replace(service.evidence.capturing, store=Removing())
    client = Client(service.app(capturing=capturing), local[2].token)
    told, found = gaps(client, client.capture(run_id=run_id))
    assert told == {("outputs/zz.txt", "unreadable")}
    assert set(found["outputs"]["facts"]) == {"fine.txt"}


def test_a_run_whose_artifacts_lie_elsewhere_is_not_followed(local, tmp_path):
    maker, _, client, _ = local
    (tmp_path / "elsewhere").mkdir()
    maker.experiment("elsewhere", artifact_location=(tmp_path / "elsewhere").as_uri())
    run_id = maker.run(experiment="elsewhere", files={"private.txt": "private"})
    told, found = gaps(client, client.capture(run_id=run_id))
    assert told == {("outputs", "location-not-allowed")}
    assert "absent" in found["outputs"]
