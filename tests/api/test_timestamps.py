"""Timestamps: asked for after the evidence is kept, carried by archives, checked offline."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from datetime import datetime, timedelta, timezone

import pytest

from mlflow_evidence_plugin.errors import BadTimestamp
from mlflow_evidence_plugin.service import timestamping
from mlflow_evidence_plugin.service.timestamping import Timestamping
from mlflow_evidence_plugin.signing import Keyring, bundle_of, open_bundle
from mlflow_evidence_plugin.signing.timestamp import Authorities
from mlflow_evidence_plugin.storage.timestamps import Timestamps
from mlflow_evidence_plugin.verify import Expected, verify_archive
from mlflow_evidence_plugin.wiring import rotate_key
from tests.authority import Authority, authority
from tests.conftest import instant, serve
from tests.contract.checked import Client
from tests.world import POLICY

NOW = "2026-01-01T00:00:00.000Z"
UNPROVEN = "time: there is no trusted timestamp"


@pytest.fixture
def tsa(tmp_path):
    with authority(tmp_path / "tsa") as made:
        yield made


@pytest.fixture
def mine(mlflow_url, database_kind, request, tmp_path):
    """A service of the test's own, on either database."""
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    said = {"POLICY_FILE": str(tmp_path / "policy.yaml")}
    if database_kind == "postgres":
        said["DATABASE_URL"] = request.getfixturevalue("postgres_server").new_database()
    made = serve(tmp_path / "home", mlflow_url, **said)
    yield made
    made.evidence.capturing.database.dispose()


@pytest.fixture
def client(mine):
    return Client(mine.app(), (mine.home / "token").read_text().strip())


@pytest.fixture
def case(client, maker):
    """A version with its evidence and a verdict."""
    model = maker.new_name("stamped")
    version = maker.version(model, maker.run())
    digest = client.capture(model=model, version=version).json["digest"]
    path = f"/v1/models/{model}/versions/{version}/decision?environment=lab"
    assert client.get(path).status_code == 200
    return digest


def stamping(service, url):
    kept = Timestamps(service.evidence.capturing.database)
    return Timestamping(url, kept, service.evidence.issuing)


def archive(client, digest, path):
    path.write_bytes(client.get(f"/v1/bundles/{digest}/archive").data)
    return path


def trusted(client, **changes):
    """The keys that the service publishes; `changes` are of its times."""
    document = client.get("/v1/trust").json
    for key in document["keys"]:
        key.update(changes)
    return Keyring.of([], [json.dumps(document).encode()])


def verified(file, keys, *authorities):
    known = Authorities.of(one.chain.read_bytes() for one in authorities) if authorities else None
    return verify_archive(file, keys, Expected(NOW, authorities=known))


def failed(report):
    return sorted({(re.sub(r".*: ", "", c.name), c.code) for c in report.checks if not c.passed})


def test_every_statement_is_stamped_once_and_the_archive_proves_when(
    mine, client, case, tsa, tmp_path
):
    bare = archive(client, case, tmp_path / "bare.zip")
    assert stamping(mine, tsa.url).catch_up() == 6
    assert stamping(mine, tsa.url).catch_up() == 0
    assert len(tsa.asked) == 6
    file = archive(client, case, tmp_path / "stamped.zip")
    assert file.read_bytes() == archive(client, case, tmp_path / "again.zip").read_bytes()
    assert file.read_bytes() != bare.read_bytes()
    report = verified(file, trusted(client), tsa)
    assert failed(report) == []
    checks = [one for one in report.checks if one.name.endswith(": timestamp")]
    assert len(checks) == 6
    assert not any(one.startswith("time") for one in report.unproven)
    (told,) = (one for one in verified(file, trusted(client)).unproven if one[:4] == "time")
    assert told.startswith("time: 6 of 6 statements have a timestamp, which was not checked")
    (told,) = (one for one in verified(bare, trusted(client), tsa).unproven if one[:4] == "time")
    assert told.startswith(UNPROVEN)


def test_what_has_none_is_named(mine, client, case, tsa, tmp_path, maker):
    stamping(mine, tsa.url).catch_up()
    _, model, version = client.get(f"/v1/bundles/{case}").json["subject"].split("/")
    maker.client.update_model_version(model, version, "described later")
    again = client.capture(model=model, version=version).json["digest"]
    report = verified(archive(client, again, tmp_path / "a.zip"), trusted(client), tsa)
    assert failed(report) == []
    (told,) = (one for one in report.unproven if one.startswith("time"))
    assert "there is no timestamp on attestations/000006-" in told


def test_another_authority_is_not_believed(mine, client, case, tsa, tmp_path):
    stamping(mine, tsa.url).catch_up()
    file = archive(client, case, tmp_path / "a.zip")
    other = Authority(tmp_path / "other")
    report = verified(file, trusted(client), other)
    assert failed(report) == [("timestamp", "bad-timestamp")]
    assert failed(verified(file, trusted(client), other, tsa)) == []


def rewritten(file, change):
    """The archive with its statements' bundles changed, by a function over them all."""
    with zipfile.ZipFile(file) as before:
        members = {name: before.read(name) for name in before.namelist()}
    names = sorted(name for name in members if name.startswith("attestations/"))
    opened = [open_bundle(members[name]) for name in names]
    for name, parts in zip(names, change(opened), strict=True):
        members[name] = bundle_of(*parts)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as after:
        for name, data in members.items():
            after.writestr(name, data)
    file.write_bytes(out.getvalue())
    return file


ALTERED = {
    "of another statement": lambda opened: [
        (envelope, hint, opened[index - 1][2]) for index, (envelope, hint, _) in enumerate(opened)
    ],
    "one more that is none": lambda opened: [(e, h, (*t, b"0")) for e, h, t in opened],
    "more than anybody needs": lambda opened: [(e, h, t * 9) for e, h, t in opened],
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_timestamp_is_found(name, mine, client, case, tsa, tmp_path):
    stamping(mine, tsa.url).catch_up()
    file = rewritten(archive(client, case, tmp_path / "a.zip"), ALTERED[name])
    assert ("timestamp", "bad-timestamp") in failed(verified(file, trusted(client), tsa))


def test_a_key_is_judged_by_the_trusted_time(mine, client, case, tsa, tmp_path):
    stamping(mine, tsa.url).catch_up()
    file = archive(client, case, tmp_path / "a.zip")
    # Verdicts are judged by the time that they name as well; the others have only the timestamp.
    for times in (
        {"not_before": "2020-01-01T00:00:00.000Z", "not_after": instant(-timedelta(hours=1))},
        {"not_before": instant(timedelta(hours=1))},
    ):
        keys = trusted(client, **times)
        assert ("timestamp", "key-out-of-time") in failed(verified(file, keys, tsa))
        assert ("timestamp", "key-out-of-time") not in failed(verified(file, keys))


def test_a_retired_key_s_statements_get_none_any_more(mine, case, tsa):
    rotate_key(mine.settings, timedelta())
    late = stamping(mine, tsa.url)
    late.issuing.now = lambda: datetime.now(timezone.utc) + timedelta(minutes=5)
    assert late.catch_up() == 0
    assert tsa.asked == []


NONSENSE = {
    "refused": lambda tsa, query: (403, b""),
    "elsewhere": lambda tsa, query: (302, b""),
    "page": lambda tsa, query: (200, b"<html>please log in</html>"),
    "nothing": lambda tsa, query: (200, b""),
    "endless": lambda tsa, query: (200, b"0" * (1 << 20)),
    "rejected": lambda tsa, query: (200, tsa.stamp(b"\x30\x03\x02\x01\x01")),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_an_authority_that_fails_is_asked_again_later(name, mine, client, case, tsa):
    catching = stamping(mine, tsa.url)
    tsa.meddle = lambda query: NONSENSE[name](tsa, query)
    with pytest.raises(BadTimestamp):
        catching.catch_up()
    assert len(tsa.asked) == 1  # one that fails is not asked for the rest as well
    tsa.meddle = None
    assert catching.catch_up() == 6


def test_one_that_is_away_or_slow_costs_seconds_and_shows_no_password(
    mine, client, case, tsa, monkeypatch
):
    with pytest.raises(BadTimestamp, match="ConnectionError") as said:
        stamping(mine, "http://me:p4ssw0rd@127.0.0.1:9/tsa").catch_up()
    assert "p4ssw0rd" not in str(said.value)
    monkeypatch.setattr(timestamping, "PATIENCE", (0.5, 0.5))
    tsa.meddle = lambda query: time.sleep(3) or (200, b"")
    with pytest.raises(BadTimestamp, match="Timeout"):
        stamping(mine, tsa.url).catch_up()


def test_one_whose_clock_is_wrong_is_not_believed(mine, client, case, tsa):
    catching = stamping(mine, tsa.url)
    later = datetime.now(timezone.utc) + timedelta(hours=2)
    keys = catching.issuing.keys
    with keys.database.writing() as connection:  # as if the key were of the day after
        connection.exec_driver_sql(
            f"UPDATE signing_keys SET not_before = '{later:%Y-%m-%dT%H:%M:%S}.000Z'"
        )
    catching.issuing._known = (0.0, None)
    catching.issuing.now = lambda: later + timedelta(hours=1)
    with pytest.raises(BadTimestamp, match="see to its clock"):
        catching.catch_up()
