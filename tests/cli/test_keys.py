"""Keys over their lives: made, rotated with an overlap, retired, kept in a vault."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlflow_evidence_plugin.errors import BadConfig, KeyExpired, SigningFailed
from mlflow_evidence_plugin.service import Issuing
from mlflow_evidence_plugin.settings import Settings
from mlflow_evidence_plugin.signing import Keyring, SigningKey, open_envelope
from mlflow_evidence_plugin.storage import Database, Keys, Ledger
from mlflow_evidence_plugin.wiring import build, prepare, rotate_key
from tests.cli.test_cli import cli

TYPE = "type"


@pytest.fixture
def settings(tmp_path) -> Settings:
    made = Settings.read(
        {
            "EVIDENCE_SERVICE_HOME": str(tmp_path / "home"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
        }
    )
    prepare(made)
    return made


def issuing(settings: Settings, key: SigningKey | None = None, now: datetime | None = None):
    database = Database(settings.database_url)
    at = now or datetime.now(timezone.utc)
    signer = key or SigningKey.load(settings.signing_key)
    return Issuing(signer, Keys(database), Ledger(database), lambda: at)


def test_a_rotated_key_signs_until_the_overlap_ends_and_its_evidence_verifies_for_ever(settings):
    before = issuing(settings)
    old = before.key
    envelope = before.sign({TYPE: b"{}"})[TYPE]
    retired, new = rotate_key(settings, timedelta(hours=1))
    assert (retired.id, retired.not_after > new.not_before) == (old.id, True)
    after = issuing(settings)
    assert after.key.id == new.id != old.id
    trusted = Keyring.of([], [after.trust()])
    assert [key.id for key in trusted.keys] == [old.id, new.id]
    for one in (envelope, after.sign({TYPE: b"{}"})[TYPE]):
        assert open_envelope(one, trusted).payload == b"{}"
    assert issuing(settings, old).sign({TYPE: b"{}"})
    late = datetime.now(timezone.utc) + timedelta(hours=2)
    with pytest.raises(KeyExpired, match="was retired at"):
        issuing(settings, old, late).sign({TYPE: b"{}"})
    assert issuing(settings, now=late).sign({TYPE: b"{}"})


def test_the_old_key_is_kept_and_both_are_private(settings):
    old = SigningKey.load(settings.signing_key)
    rotate_key(settings, timedelta())
    kept = sorted(settings.home.glob("signing-key*.pem"))
    assert [path.stat().st_mode & 0o777 for path in kept] == [0o600, 0o600]
    assert SigningKey.load(settings.home / f"signing-key-{old.id[:8]}.pem").id == old.id
    assert build(settings).issuing.key.id == SigningKey.load(settings.signing_key).id


def test_list_rotate_and_retire(settings):
    env = {"EVIDENCE_SERVICE_HOME": str(settings.home)}
    rotated = cli("key", "rotate", "--overlap", "2", "-o", "json", **env)
    assert rotated.returncode == 0, rotated.stderr
    told = json.loads(rotated.stdout)
    listed = json.loads(cli("key", "list", "-o", "json", **env).stdout)
    assert [one["id"] for one in listed] == [told["retired"]["id"], told["created"]["id"]]
    retired = cli("key", "retire", told["created"]["id"], "-o", "json", **env)
    assert json.loads(retired.stdout)["not_after"]
    with pytest.raises(KeyExpired):
        issuing(settings, now=datetime.now(timezone.utc) + timedelta(seconds=5)).sign({TYPE: b""})
    assert cli("key", "retire", "0" * 64, **env).returncode == 4


def public(path: Path, to: Path) -> Path:
    to.write_bytes(SigningKey.load(path).public_pem)
    return to


def test_a_key_behind_a_uri_signs(settings, tmp_path):
    pem = tmp_path / "vault.pem"
    made = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", pem]
    subprocess.run(["openssl", *made], check=True)
    pem.chmod(0o600)
    env = {
        "EVIDENCE_SERVICE_HOME": str(settings.home),
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "EVIDENCE_SERVICE_SIGNING_KEY": f"file2:{pem}",
        "EVIDENCE_SERVICE_SIGNING_PUBLIC_KEY": str(public(pem, tmp_path / "vault.pub")),
    }
    evidence = build(Settings.read(env))
    envelope = evidence.issuing.sign({TYPE: b"{}"})[TYPE]
    trusted = Keyring.of([Path(env["EVIDENCE_SERVICE_SIGNING_PUBLIC_KEY"]).read_bytes()])
    assert open_envelope(envelope, trusted).payload == b"{}"
    other = public(settings.signing_key, tmp_path / "other.pub")
    for wrong, said in (
        ({"EVIDENCE_SERVICE_SIGNING_PUBLIC_KEY": ""}, "public part"),
        ({"EVIDENCE_SERVICE_SIGNING_PUBLIC_KEY": str(other)}, "does not match|no pair"),
        ({"EVIDENCE_SERVICE_SIGNING_KEY": "file2:/nowhere"}, "cannot be used"),
        ({"EVIDENCE_SERVICE_SIGNING_KEY": "nosuch:/x"}, "cannot be used"),
        ({"EVIDENCE_SERVICE_SIGNING_KEY": "azurekms://v.vault.invalid/keys/k/1"}, "cannot be"),
    ):
        with pytest.raises(BadConfig, match=said):
            build(Settings.read({**env, **wrong}))
    with pytest.raises(BadConfig, match="in a vault"):
        rotate_key(Settings.read(env), timedelta())


def test_a_vault_that_is_away_is_said_so(settings):
    class Away:
        def sign(self, data):
            raise TimeoutError("secret-host.example.org")

    key = SigningKey(Away(), SigningKey.load(settings.signing_key).public)
    with pytest.raises(SigningFailed) as said:
        issuing(settings, key).sign({TYPE: b"{}"})
    assert "secret-host" not in str(said.value)
