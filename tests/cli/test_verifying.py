"""`verify` as an auditor has it: offline, with little installed, for archives of every age."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_evidence_plugin.service.archive import zipped
from mlflow_evidence_plugin.signing import Keyring, SigningKey
from mlflow_evidence_plugin.verify import Expected, verify_archive
from mlflow_evidence_plugin.verify.opening import open_archive

ASSETS = Path(__file__).parent.parent / "assets"
V1, KEY = ASSETS / "archive-v1.evidence.zip", ASSETS / "archive-v1.public-key.pem"
NOW = "2100-01-01T00:00:00.000Z"
FOREIGN = "mlflow flask sqlalchemy jinja2 matplotlib requests alembic huey marshmallow"
OFFLINE = f"""
import sys
for name in {FOREIGN.split()!r}:
    sys.modules[name] = None  # importing it fails
import socket
def refuse(*_, **__): raise AssertionError("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
from mlflow_evidence_plugin.cli.main import main
main()
"""


def offline(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", OFFLINE, "verify", *map(str, args)]
    env = {**os.environ, "COLUMNS": "300"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)


@pytest.fixture
def folder(tmp_path) -> Path:
    with zipfile.ZipFile(V1) as file:
        file.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


@pytest.fixture
def bundle(folder, tmp_path) -> Path:
    """The bundle of the archive's record, as the service serves it."""
    digest = json.loads((folder / "archive.json").read_bytes())["record"]
    lines = (folder / "attestations.intoto.jsonl").read_text().splitlines()
    record = json.loads((folder / "materials/sha256" / digest[7:]).read_bytes())
    found = {"digest": digest, "statements": [json.loads(one) for one in lines], "record": record}
    (tmp_path / "bundle.json").write_text(json.dumps(found))
    return tmp_path / "bundle.json"


def other_key(folder: Path) -> Path:
    """Somebody else's public key."""
    private = folder.parent / "other.pem"
    SigningKey.create(private)
    public = folder.parent / "other-public.pem"
    public.write_bytes(SigningKey.load(private).public_pem)
    return public


@pytest.mark.parametrize("kind", ["archive", "folder", "bundle"])
def test_it_verifies_without_what_only_a_service_needs(kind, folder, bundle):
    place = {"archive": V1, "folder": folder, "bundle": bundle}[kind]
    for form in ("json", "table"):
        done = offline(place, "--key", KEY, "-o", form)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_table_begins_with_whether_it_holds_whose_it_is_and_its_verdicts(folder, bundle):
    for place in (V1, folder, bundle):
        lines = offline(place, "--key", KEY, "-o", "table").stdout.splitlines()
        rows = [line.split(maxsplit=1) for line in lines[1:5]]
        assert [one[0] for one in rows] == ["result", "subject", "verdict", "verdict"]
        assert [one[1].strip() for one in rows[:2]] == ["holds", "models/tumour/7"]
        assert rows[2][1].startswith("lab: passed, until 2026-11-24")
        assert rows[3][1].startswith("prod: failed, until 2026-11-24")


def test_a_table_of_what_does_not_hold_says_so_first_and_no_verdict_counts(folder, bundle):
    lines = offline(bundle, "--key", other_key(folder), "-o", "table").stdout.splitlines()
    assert lines[1].startswith("result")
    assert "does NOT hold: 9 checks failed" in lines[1]
    (folder / "attestations/000001-model-signature.sigstore.json").write_text("{}")
    lines = offline(folder, "--key", KEY, "-o", "table").stdout.splitlines()
    assert "does NOT hold: " in lines[1]
    assert "none that counts" in lines[3]
    assert not any(line.startswith("verdict") for line in lines[4:])


def test_an_archive_of_the_first_version_verifies_for_ever():
    """Never make it anew: texts of rules, forms of statements and the log are all bound in it."""
    report = verify_archive(V1, Keyring.of([KEY.read_bytes()]), Expected(NOW))
    assert report.passed, [one for one in report.checks if not one.passed]
    told = [one.detail for one in report.checks if one.name.endswith(": verdict")]
    assert told == ["passed, derived again", "failed, derived again"]


def test_what_nobody_signed_and_what_is_not_there_is_said():
    report = verify_archive(V1, Keyring.of([KEY.read_bytes()]), Expected(NOW))
    said = "\n".join(report.unproven)
    for one in ("VERIFY.md, trust/trust.json", "time:", "files or histories", "baselines:"):
        assert one in said


def test_a_bundle_says_that_verdicts_were_not_derived_again(bundle):
    done = offline(bundle, "--key", KEY, "-o", "json")
    assert any("not derived again" in one for one in json.loads(done.stdout)["unproven"])


def test_a_file_that_is_replaced_while_it_is_looked_at_is_refused(folder):
    opened = open_archive(folder)
    place = folder / "archive.json"
    place.rename(folder / "other.json")
    place.write_bytes((folder / "other.json").read_bytes())
    with pytest.raises(Exception, match="replaced"):
        opened.read("archive.json")


def test_a_file_that_grows_without_end_is_not_read_without_end(folder):
    opened = open_archive(folder)
    with (folder / "archive.json").open("ab") as file:
        file.write(b" ")
    with pytest.raises(Exception, match="grew"):
        opened.read("archive.json")


@pytest.mark.parametrize(
    "words",
    [
        ("archive", "runs/x", "--save", "nowhere/x.zip"),
        ("show", "runs/x", "--save", "nowhere/x.json"),
        ("ticket", "C-1", "--save", "nowhere/x.zip"),
        ("history", "x", "--metric", "m", "--save", "nowhere/x.svg"),
        ("ledger", "monitor", "--state", "nowhere/head"),
        ("key", "create", "nowhere/key.pem"),
    ],
    ids=lambda words: words[0],
)
def test_a_folder_that_is_not_there_is_named_before_anything_is_asked(az, words):
    done = az(*words, EVIDENCE_URL="http://127.0.0.1:1", EVIDENCE_TOKEN="x")
    assert done.code == 2
    assert "there is no folder nowhere" in done.err


@pytest.mark.parametrize("size", ["10MB", "-1", "1e6"])
def test_how_bytes_are_written_is_said(az, size):
    done = az("archive", "runs/x", "--save", "x.zip", "--artifacts", size)
    assert done.code == 2
    assert "'--artifacts'" in done.err and "10000000 is 10 MB" in done.err


PART = st.text("abcXYZ019_-+@. ", min_size=1, max_size=12).filter(lambda p: p not in (".", ".."))
NAME = st.lists(PART, min_size=1, max_size=4).map("/".join)
MEMBERS = st.dictionaries(NAME, st.binary(max_size=200), max_size=8)


@settings(deadline=None, max_examples=60)
@given(MEMBERS)
def test_members_come_out_of_a_zip_as_they_went_in(tmp_path_factory, members):
    data = b"".join(zipped(members.items()))
    assert b"".join(zipped(members.items())) == data
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    path.write_bytes(data)
    opened = open_archive(path)
    assert {name: opened.read(name) for name in opened.sizes} == members
    opened.close()


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_change_of_a_byte_of_an_archive_goes_unseen(tmp_path_factory, data):
    """But in what nobody signed, and in fields of the zip that no reader of it believes."""
    whole = V1.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    with zipfile.ZipFile(V1) as file:
        infos = sorted(file.infolist(), key=lambda one: one.header_offset)
    inside = [one for one in infos if one.header_offset <= place]
    offset = place - inside[-1].header_offset - 30 - len(inside[-1].filename)
    if not 0 <= offset < inside[-1].file_size:
        return
    changed = bytearray(whole)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("flip") / "a.zip"
    path.write_bytes(changed)
    report = verify_archive(path, Keyring.of([KEY.read_bytes()]), Expected(NOW))
    unsigned = inside[-1].filename == "VERIFY.md" or inside[-1].filename.startswith("trust/")
    assert report.passed == unsigned
