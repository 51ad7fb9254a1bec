"""`run download`: whole files under names that we chose to trust, or nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlflow_evidence_plugin.collect import MlflowStore
from tests.cli.conftest import files_below
from tests.cli.test_destination import HOSTILE
from tests.faults.meddler import meddling
from tests.world import FILES

LISTING = "/mlflow-artifacts/artifacts?"


def test_a_whole_run_is_downloaded_from_the_server(on_server, world, tmp_path):
    done = on_server("run", "download", world.good, "--dest", "out/deep")
    assert done.code == 0, done.err
    assert done.json["skipped"] == []
    assert {one["path"] for one in done.json["files"]} == set(FILES)
    for path, text in FILES.items():
        assert (tmp_path / "out/deep" / path).read_text("utf-8") == text
    assert files_below(tmp_path) == sorted(f"out/deep/{path}" for path in FILES)


def test_a_whole_run_is_downloaded_from_a_local_store(on_disk, local, tmp_path):
    done = on_disk("run", "download", local["run"], "-p", "out", "-o", "tsv")
    assert done.code == 0, done.err
    assert done.out == "a b/ü.txt\t5\ndeep/er/x\t3000000\nempty\t0\n"
    assert (tmp_path / "out/deep/er/x").stat().st_size == 3_000_000
    mode = (tmp_path / "out/empty").stat().st_mode & 0o777
    (tmp_path / "beside").touch()
    assert mode == (tmp_path / "beside").stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("path", "got"),
    [("a b/ü.txt", ["a b/ü.txt"]), ("deep", ["deep/er/x"]), ("deep/", ["deep/er/x"])],
    ids=["file", "folder", "slash"],
)
def test_a_part_is_downloaded_under_its_whole_name(on_disk, local, tmp_path, path, got):
    done = on_disk("run", "download", local["run"], "--path", path)
    assert done.code == 0, done.err
    assert files_below(tmp_path) == got


@pytest.mark.parametrize("words", [("report.md",), ("plots",)])
def test_a_part_is_downloaded_from_the_server(on_server, world, tmp_path, words):
    done = on_server("run", "download", world.good, "--path", *words, "-o", "table")
    assert done.code == 0, done.err
    assert len(files_below(tmp_path)) == 1
    assert done.out.startswith("path ")


def test_what_is_there_is_kept_unless_told(on_disk, local, tmp_path):
    (tmp_path / "empty").write_text("mine")
    words = ("run", "download", local["run"])
    kept = on_disk(*words)
    assert kept.code == 1
    assert [(one["path"], one["code"]) for one in kept.json["skipped"]] == [("empty", "exists")]
    assert len(kept.json["files"]) == 2
    assert "left out: empty: " in kept.err and "--overwrite" in kept.err
    assert (tmp_path / "empty").read_text() == "mine"
    assert on_disk(*words, "--overwrite").code == 0
    assert (tmp_path / "empty").read_text() == ""


def test_links_in_the_destination_are_not_followed(on_disk, local, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "target").write_text("precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "deep").symlink_to(elsewhere)
    (out / "empty").symlink_to(elsewhere / "target")
    done = on_disk("run", "download", local["run"], "-p", "out", "--overwrite")
    assert done.code == 1
    skipped = {one["path"]: one["code"] for one in done.json["skipped"]}
    assert skipped == {"deep/er/x": "link", "empty": "link"}
    assert files_below(elsewhere) == ["target"]
    assert (elsewhere / "target").read_text() == "precious"


def test_a_folder_or_file_in_the_way_is_said(on_disk, local, tmp_path):
    (tmp_path / "out/empty").mkdir(parents=True)
    (tmp_path / "out/deep").write_text("a file")
    done = on_disk("run", "download", local["run"], "-p", "out", "--overwrite")
    assert done.code == 1
    skipped = {one["path"]: one["code"] for one in done.json["skipped"]}
    assert skipped == {"deep/er/x": "not-written", "empty": "exists"}
    assert files_below(tmp_path) == ["out/a b/ü.txt", "out/deep"]


@pytest.mark.parametrize("dest", ["taken", "taken/below", "/proc/nowhere", "x" * 300])
def test_a_destination_that_cannot_be_is_said_before_anything_is_read(
    on_disk, local, tmp_path, dest
):
    (tmp_path / "taken").write_text("mine")
    done = on_disk("run", "download", local["run"], "--dest", dest)
    assert (done.code, done.out) == (2, "")
    assert dest[:20] in done.err
    assert files_below(tmp_path) == ["taken"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["absent"], 4, "no run absent"),
        (["RUN", "--path", "absent"], 4, "no artifact absent"),
        (["RUN", "--path", "../x"], 2, "--path ../x"),
        (["RUN", "--path", "/etc"], 2, "absolute"),
        (["RUN", "--query", "a..b"], 2, "column 3"),
    ],
    ids=["run", "path", "path-up", "path-absolute", "query"],
)
def test_a_bad_request_leaves_nothing(on_disk, local, tmp_path, words, code, said):
    named = [local["run"] if word == "RUN" else word for word in words]
    done = on_disk("run", "download", *named, "--dest", "out")
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert not (tmp_path / "out").exists()


def test_artifacts_outside_the_stores_own_roots_are_not_followed(az, local, tmp_path):
    env = {"EVIDENCE_SERVICE_ARTIFACT_ROOTS": "s3://bucket/of-mine"}
    uri = local["MLFLOW_TRACKING_URI"]
    done = az("run", "download", local["run"], "--tracking-uri", uri, **env)
    assert done.code == 7
    assert "EVIDENCE_SERVICE_ARTIFACT_ROOTS" in done.err
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_listing_is_listed_as_left_out_and_the_rest_is_written(
    on_server, world, tmp_path, monkeypatch, name
):
    """A store that checks no names: an object store takes any key that a stranger gives it."""
    monkeypatch.setattr(MlflowStore, "repository", lambda *_: Bucket({name: b"evil", "ok": b"1"}))
    done = on_server("run", "download", world.good, "--dest", "in/here")
    assert done.code == 1
    (skipped,) = done.json["skipped"]
    assert (skipped["path"], skipped["code"]) == (name, "unsafe-path")
    assert files_below(tmp_path) == ["in/here/ok"]
    assert "\0" not in done.err


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\x", "a#b"])
def test_a_server_that_lists_such_a_name_is_refused(az, mlflow_url, world, tmp_path, name):
    """By MLflow's client, then nothing can be listed, or by us, then the file is left out."""
    with meddling(mlflow_url) as meddler:

        def list_it(asked, forward):
            found = forward()
            if LISTING not in asked:
                return found
            return found.saying({"files": [{"path": name, "is_dir": False, "file_size": 1}]})

        meddler.meddle = list_it
        done = az("run", "download", world.good, "--tracking-uri", meddler.url)
    assert done.code in (1, 6), done.err
    assert "could not be listed" in done.err or "left out" in done.err
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("name", ["a\\b", "C:evil", "new\nline\x1b[2J"])
def test_odd_names_that_the_server_itself_lists(on_server, maker, store_folder, tmp_path, name):
    run_id = maker.run(files={"ok.txt": "1"})
    (folder,) = (store_folder / "artifacts").glob(f"*/{run_id}/artifacts")
    (folder / name).write_text("odd")
    done = on_server("run", "download", run_id)
    assert (done.code, len(done.json["skipped"])) == (1, 1)
    assert "\x1b" not in done.err
    assert files_below(tmp_path) == ["ok.txt"]


def test_a_link_among_the_artifacts_of_a_local_store_leads_nowhere(on_disk, local, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("private")
    planted = [Path(local["folder"]) / name for name in ("to-file", "to-folder")]
    planted[0].symlink_to(secret / "key")
    planted[1].symlink_to(secret)
    try:
        done = on_disk("run", "download", local["run"], "-p", "out")
    finally:
        for link in planted:
            link.unlink()
    assert done.code == 1
    assert {one["code"] for one in done.json["skipped"]} == {
        "location-not-allowed",
        "link-not-followed",
    }
    assert "out/to-file" not in files_below(tmp_path)
    assert len(done.json["files"]) == 3


@pytest.mark.parametrize("kind", ["shorter", "longer", "error", "gone"])
def test_a_file_that_does_not_come_whole_is_left_out(az, mlflow_url, world, tmp_path, kind):
    with meddling(mlflow_url) as meddler:

        def spoil(asked, forward):
            found = forward()
            if not asked.endswith("model/weights.bin"):
                return found
            bodies = {"shorter": found.body[:-1], "longer": found.body + b"x"}
            status = {"error": 500, "gone": 404}.get(kind, found.status)
            return type(found)(status, bodies.get(kind, b"{}"), found.content_type)

        meddler.meddle = spoil
        done = az("run", "download", world.good, "--tracking-uri", meddler.url)
    assert done.code == 1
    (skipped,) = done.json["skipped"]
    assert skipped["path"] == "model/weights.bin"
    assert files_below(tmp_path) == sorted(set(FILES) - {"model/weights.bin"})


def test_an_interrupted_download_leaves_whole_files_only(mlflow_url, world, tmp_path):
    """Ctrl-C while a file is under way: exit code 130."""
    out = tmp_path / "out"
    with meddling(mlflow_url) as meddler:

        def stall(asked, forward):
            if asked.endswith("report.md"):
                time.sleep(5)
            return forward()

        meddler.meddle = stall
        words = ("run", "download", world.good, "--dest", str(out), "--tracking-uri", meddler.url)
        program = Path(sys.executable).with_name("mlflow-evidence")
        running = subprocess.Popen(
            [program, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell makes those whom it starts in the background deaf to Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        until = time.monotonic() + 30
        while not list(out.glob(".evidence-*.part")) or not (out / "plots").exists():
            assert time.monotonic() < until and running.poll() is None
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGINT)
        said, told = running.communicate(timeout=20)
    assert (running.returncode, said) == (130, ""), told
    left = files_below(out)
    assert left and not any(name.endswith(".part") for name in left)
    assert all((out / name).read_text("utf-8") == FILES[name] for name in left)


@dataclass(frozen=True)
class Info:
    path: str
    file_size: int
    is_dir: bool = False


class Bucket:
    """An artifact store as MLflow's are: it lists, and downloads to a path that it is given."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content

    def list_artifacts(self, path: str | None) -> list[Info]:
        return [Info(k, len(v)) for k, v in self.content.items()]

    def _download_file(self, path: str, target: str) -> None:
        Path(target).write_bytes(self.content[path])
