"""Files of the run and the model in an archive: what fits, and nothing that a secret stands in."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

import pytest
import requests
from werkzeug.serving import make_server

from mlflow_evidence_plugin.cli.main import add_commands, cli
from mlflow_evidence_plugin.collect import MlflowStore, Roots
from mlflow_evidence_plugin.service import archive as archiving
from mlflow_evidence_plugin.service.archive import zipped
from mlflow_evidence_plugin.signing import Keyring
from mlflow_evidence_plugin.verify import Expected, verify_archive
from mlflow_evidence_plugin.verify.members import REASONS
from tests.world import PLANTED, SECRETS

NOW = "2100-01-01T00:00:00.000Z"
ALL = 100_000_000
LONG = "a line of text\n" * 80_000
FILES = {
    "model/MLmodel": "artifact_path: model\n",
    "model/weights.bin": "\0\1\2" * 40_000,
    "report.md": "# fine\n",
    "zoo/copy of the report.md": "# fine\n",
    "deploy/settings.env": f"REGION=eu\n{PLANTED['line']}\n",
    "deploy/copy.env": f"REGION=eu\n{PLANTED['line']}\n",
    "train.log": LONG,
}


@pytest.fixture(scope="module")
def trusted(service):
    return Keyring.of([(service.home / "public-key.pem").read_bytes()])


@pytest.fixture
def case(admin, maker):
    """A version whose run has these files: the digest of its evidence, and the run."""
    model, run_id = maker.new_name("enclosed"), maker.run(files=FILES)
    version = maker.version(model, run_id)
    admin.capture(run_id=run_id)
    return admin.capture(model=model, version=version).json["digest"], run_id


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where the service keeps what it gets, and nobody else anything."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


def sha256(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def got(client, digest, asked=ALL):
    answer = client.get(f"/v1/bundles/{digest}/archive?artifacts={asked}")
    assert answer.status_code == 200, answer.text
    return answer.data


def opened(data):
    """The members by name, and what is left out: `{path: reason}`."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    omitted = json.loads(members["archive.json"])["omitted"]
    assert all(one["reason"] in REASONS for one in omitted)
    return members, {one["path"]: one["reason"] for one in omitted}


def verified(data, trusted, folder):
    path = folder / "a.evidence.zip"
    path.write_bytes(data)
    return verify_archive(path, trusted, Expected(NOW))


def failed(report):
    return [(one.name, one.code, one.detail) for one in report.checks if not one.passed]


def stored(store_folder, run_id, path):
    (found,) = (store_folder / "artifacts").rglob(f"{run_id}/artifacts/{path}")
    return found


def test_it_holds_the_files_of_the_run_and_says_which_it_leaves_out(
    admin, case, trusted, tmp_path, scratch
):
    data = got(admin, case[0])
    members, omitted = opened(data)
    for name in ("model/MLmodel", "model/weights.bin", "report.md"):
        assert members[f"materials/sha256/{sha256(FILES[name])}"] == FILES[name].encode()
    assert omitted == {"outputs/deploy/copy.env": "masked", "outputs/train.log": "not-scanned"}
    report = verified(data, trusted, tmp_path)
    assert failed(report) == []
    said = "2 files are not here: 1 masked, 1 not-scanned; nobody signed these reasons"
    assert said in report.unproven
    assert not any("files or histories" in one for one in report.unproven)
    assert list(scratch.iterdir()) == []


def test_no_byte_of_a_secret_leaves(admin, case):
    data = got(admin, case[0])
    assert FILES["report.md"].encode() in data
    assert not [one for one in SECRETS if one.encode() in data]
    assert f"materials/sha256/{sha256(FILES['deploy/copy.env'])}" not in opened(data)[0]


def test_a_file_is_looked_at_again_though_its_record_says_nothing(admin, case, monkeypatch):
    """A record of earlier days, when our detectors knew less."""
    from mlflow_evidence_plugin.service import enclosing

    monkeypatch.setattr(enclosing, "_kept_back", lambda _: ())
    data = got(admin, case[0])
    assert not [one for one in SECRETS if one.encode() in data]
    assert set(opened(data)[1].values()) == {"masked", "not-scanned"}


def test_the_same_files_are_the_same_bytes(admin, case):
    assert got(admin, case[0]) == got(admin, case[0])


def test_without_files_it_is_what_it_was(admin, case):
    plain = admin.get(f"/v1/bundles/{case[0]}/archive").data
    assert got(admin, case[0], 0) == plain
    members, omitted = opened(plain)
    assert omitted == {}
    assert b"The files of the run" not in members["VERIFY.md"]
    assert f"materials/sha256/{sha256(FILES['report.md'])}" not in members


def test_the_smallest_come_first_up_to_the_bound(admin, case, trusted, tmp_path):
    small = [FILES["report.md"], FILES["model/MLmodel"]]
    bound = sum(map(len, small))
    data = got(admin, case[0], bound)
    members, omitted = opened(data)
    assert {f"materials/sha256/{sha256(one)}" for one in small} <= set(members)
    assert omitted["outputs/model/weights.bin"] == "beyond-bound"
    assert failed(verified(data, trusted, tmp_path)) == []
    members, omitted = opened(got(admin, case[0], bound - 1))
    assert f"materials/sha256/{sha256(small[0])}" in members
    assert omitted["outputs/model/MLmodel"] == "beyond-bound"


def test_what_was_changed_or_removed_since_is_said_and_leaves_room_for_others(
    admin, case, store_folder, trusted, tmp_path
):
    digest, run_id = case
    for path in ("report.md", "zoo/copy of the report.md"):
        stored(store_folder, run_id, path).write_text("# FINE\n")
    stored(store_folder, run_id, "model/MLmodel").unlink()
    data = got(admin, digest, len(FILES["model/weights.bin"]))
    members, omitted = opened(data)
    assert (omitted["outputs/report.md"], omitted["outputs/model/MLmodel"]) == ("changed", "gone")
    assert f"materials/sha256/{sha256(FILES['model/weights.bin'])}" in members
    assert b"# FINE" not in data
    assert failed(verified(data, trusted, tmp_path)) == []
    stored(store_folder, run_id, "model/weights.bin").write_text("shorter")
    assert opened(got(admin, digest))[1]["outputs/model/weights.bin"] == "changed"


def test_a_copy_elsewhere_is_as_good(admin, case, store_folder):
    stored(store_folder, case[1], "report.md").unlink()
    members, _ = opened(got(admin, case[0]))
    assert members[f"materials/sha256/{sha256(FILES['report.md'])}"] == b"# fine\n"


def test_a_run_that_was_deleted_for_good_has_no_files(
    admin, case, maker, store_folder, trusted, tmp_path
):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    digest, run_id = case
    maker.client.delete_run(run_id)
    assert opened(got(admin, digest))[1]["outputs/train.log"] == "not-scanned"
    store = SqlAlchemyStore(f"sqlite:///{store_folder / 'mlflow.db'}", str(tmp_path))
    store._hard_delete_run(run_id)  # as `mlflow gc` does
    store.engine.dispose()
    data = got(admin, digest)
    assert set(opened(data)[1].values()) == {"gone", "masked", "not-scanned"}
    assert failed(verified(data, trusted, tmp_path)) == []


@pytest.mark.parametrize("away", ["the store", "the location"])
def test_a_store_that_is_away_makes_a_whole_archive_without_files(
    service, client, tokens, case, trusted, tmp_path, away, mlflow_url, monkeypatch
):
    import mlflow

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    roots = Roots(("mlflow-artifacts:/",)) if away == "the store" else Roots(())
    uri = "http://127.0.0.1:9" if away == "the store" else mlflow_url
    app = service.on_store(MlflowStore(uri, None, roots, ALL))
    try:
        data = got(type(client(None))(app, tokens.admin), case[0])
    finally:
        mlflow.set_tracking_uri(mlflow_url)
    members, omitted = opened(data)
    assert set(omitted.values()) == {"unreachable", "masked", "not-scanned"}
    assert failed(verified(data, trusted, tmp_path)) == []
    assert b"The files of the run" not in members["VERIFY.md"]


def rewritten(data, change):
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    return b"".join(zipped(members.items()))


def test_a_file_that_was_altered_or_dropped_is_found(admin, case, trusted, tmp_path):
    data, name = got(admin, case[0]), f"materials/sha256/{sha256(FILES['report.md'])}"
    altered = rewritten(data, lambda members: members.update({name: b"# FINE\n"}))
    (one,) = failed(verified(altered, trusted, tmp_path))
    assert one[:2] == ("materials", "bad-material")
    dropped = rewritten(data, lambda members: members.pop(name))
    assert [one[1] for one in failed(verified(dropped, trusted, tmp_path))] == ["bad-archive"]


def test_its_page_tells_how_to_find_a_file(admin, case, tmp_path):
    with zipfile.ZipFile(io.BytesIO(got(admin, case[0]))) as file:
        file.extractall(tmp_path)
    (block,) = [
        one
        for one in (tmp_path / "VERIFY.md").read_text().split("```sh\n")
        if "sha256sum" in one and "jq" in one
    ]
    if not shutil.which("jq"):
        pytest.skip("there is no jq here")
    command = ["bash", "-e", "-o", "pipefail", "-c", block.partition("```")[0]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{sha256(FILES['report.md'])}  report.md" in done.stdout.splitlines()
    name = tmp_path / "materials" / "sha256" / sha256(FILES["report.md"])
    name.write_text("# FINE\n")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode != 0


def test_more_than_the_scratch_space_is_refused(admin, case, evidence):
    most = evidence.capturing.store.scratch.budget
    answer = admin.get(f"/v1/bundles/{case[0]}/archive?artifacts={most + 1}")
    assert answer.status_code == 422
    assert str(most) in answer.json["mend"]
    assert admin.get(f"/v1/bundles/{case[0]}/archive?artifacts=-1").status_code == 422


def test_where_others_hold_the_scratch_space_it_is_busy(admin, case, evidence, monkeypatch):
    from mlflow_evidence_plugin.service import enclosing

    monkeypatch.setattr(enclosing, "PATIENCE", 0.01)
    store = evidence.capturing.store
    with store.scratch.room(store.scratch.budget):
        answer = admin.get(f"/v1/bundles/{case[0]}/archive?artifacts={ALL}")
    assert (answer.status_code, answer.json["code"]) == (503, "busy")
    assert answer.headers["Retry-After"]


def test_one_that_no_verifier_would_take_is_not_made(admin, case, monkeypatch):
    whole = len(opened(admin.get(f"/v1/bundles/{case[0]}/archive").data)[0])
    for most in (whole - 1, 3):
        monkeypatch.setattr(archiving, "MEMBERS_MAX", most)
        answer = admin.get(f"/v1/bundles/{case[0]}/archive")
        assert (answer.status_code, answer.json["code"]) == (422, "archive-too-large")
        assert "size" in answer.json["mend"]
    monkeypatch.setattr(archiving, "MEMBERS_MAX", whole + 1)
    members, omitted = opened(got(admin, case[0]))
    assert len(members) == whole + 1
    assert omitted["outputs/model/weights.bin"] == "beyond-bound"


@pytest.fixture
def address(app):
    """The service behind a socket."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_who_goes_away_leaves_nothing_behind(address, admin, tokens, maker, scratch, evidence):
    run_id = maker.run(files={"big.bin": "\0" + "x" * 40_000_000})
    digest = admin.capture(run_id=run_id).json["digest"]
    url = f"{address}/v1/bundles/{digest}/archive?artifacts={ALL}"
    headers = {"Authorization": f"Bearer {tokens.admin}"}
    held = []
    for _ in range(3):  # a file that a busy store does not give in time is left out, and not held
        with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
            assert next(answer.iter_content(1000))
            held = held or list(scratch.iterdir())
        if held:
            break
    assert held
    assert requests.head(url, headers=headers, timeout=30).status_code == 200
    until = time.monotonic() + 10
    while list(scratch.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(scratch.iterdir()) == []
    store = evidence.capturing.store
    with store.scratch.room(store.scratch.budget, 10):
        pass  # all of it is free again


def test_the_command_line_asks_for_files(address, admin, case, tokens, tmp_path, monkeypatch):
    monkeypatch.setenv("EVIDENCE_URL", address)
    monkeypatch.setenv("EVIDENCE_TOKEN", tokens.admin)
    add_commands()
    for asked in (0, ALL):
        told = ["--save", str(tmp_path / "a.zip"), "--artifacts", str(asked)]
        cli.main(["archive", f"runs/{case[1]}", *told], standalone_mode=False)
        digest = json.loads(opened((tmp_path / "a.zip").read_bytes())[0]["archive.json"])["record"]
        assert (tmp_path / "a.zip").read_bytes() == got(admin, digest, asked)


def test_it_is_let_go_as_soon_as_it_is_closed_or_read(admin, case, evidence, tokens, scratch):
    mine = evidence.caller(tokens.admin)
    _, one = evidence.archive(case[0], mine, artifacts=ALL)
    _, other = evidence.archive(case[0], mine, artifacts=ALL)
    assert next(one)
    assert len(list(scratch.iterdir())) == 2
    one.close()
    assert len(list(scratch.iterdir())) == 1
    assert b"".join(other)
    assert list(scratch.iterdir()) == []


def test_a_member_from_a_file_is_written_as_one_from_memory(tmp_path):
    for size in (0, 1, 3 << 20):
        (tmp_path / "file").write_bytes(b"x" * size)
        one = [("a", b"1"), ("b", b"x" * size), ("c", b"")]
        other = [("a", b"1"), ("b", tmp_path / "file"), ("c", b"")]
        assert b"".join(zipped(one)) == b"".join(zipped(other))


MEASURE = """
import sys
from pathlib import Path
from mlflow_evidence_plugin.cli.backend import Local

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

backend, subject = Local(sys.argv[1]), {"run_id": sys.argv[2]}
backend.capture(subject)
sum(map(len, backend.archive(subject, None, 0)))
before = peak()
sent = sum(map(len, backend.archive(subject, None, 1 << 30)))
print(sent, peak() - before)
"""


def test_a_large_file_is_never_whole_in_memory(maker, store_folder, mlflow_url, tmp_path):
    size = 100 << 20
    run_id = maker.run(files={"large.bin": "\0"})
    with stored(store_folder, run_id, "large.bin").open("r+b") as file:
        file.truncate(size)
    env = {"EVIDENCE_SERVICE_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, mlflow_url, run_id],
        env={"PATH": "/usr/bin:/bin", "MLFLOW_DISABLE_TELEMETRY": "true", **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    sent, more = map(int, done.stdout.split()[-2:])
    assert sent > size
    assert more < 30 << 10, f"{more} KiB"
