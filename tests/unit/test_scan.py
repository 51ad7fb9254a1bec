"""Secrets are found where they stand, masked, and never copied; evidence is left as it is."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest

from mlflow_evidence_plugin.record import record_of
from mlflow_evidence_plugin.scan import TEXT_LIMIT, TextObserver, masked
from mlflow_evidence_plugin.scan.detect import fingerprint, hits
from mlflow_evidence_plugin.snapshot import Gap, Metric, Secret
from tests.unit import samples

# Assembled from parts, so that scanners of this repository find nothing.
SAS = (
    "https://acc.blob.core.windows.net/c/f?sv=2024-11-04&sp=r&"
    + "sig="
    + "aB3dE5fG7hJ9kL1m" * 2
    + "%3D"
)
PLANTED = {
    "azure-sas": SAS,
    "databricks-token": "dapi" + "fedcba9876543210" * 2,
    "aws-access-key": "AKIA" + "IOSFODNN7EXAMPLQ",
    "github-token": "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345",
    "json-web-token": "eyJhbGciOiJIUzI1NiIs"
    + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0."
    + "dozjgNryP4J3jVmNHl0w5N_X",
    "password-in-url": "postgresql://me:" + "s3cr3tpass" + "@db.example.com/x",
    "private-key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END",
    "slack-token": "xoxb-" + "123456789012-123456789012-abcdefghijklmnop",
    "azure-account-key": "AccountName=x;AccountKey=" + "Zm9vYmFyYmF6cXV4" * 4 + "==",
    "entropy": "c3VwZXIgbG9uZyBzdHJpbmcg" + "c2hvdWxkIGNhdXNlIGVub3VnaCBlbnRyb3B5",
}
HARMLESS = {
    "learning_rate": "0.001",
    "n_estimators": "200",
    "max_tokens": "512",
    "mlflow.source.git.commit": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    "run": samples.RUN_ID,
    "model_id": "m-" + samples.RUN_ID,
    "digest": "ab" * 32,
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "tokenizer": "bert-base-uncased",
    "path": "/mnt/data/warehouse/2026/train-set_v3/part-0001.parquet",
    "remote": "https://github.com/some-organisation/some-long-repository-name.git",
    "mlflow.source.name": "/home/jane/projects/credit/train.py",
    "password": "${DB_PASSWORD}",
    "use_secret_sauce": "true",
    "password_column": "pwd_col",
    "pad_token_id": "50256",
    "hidden": "[512, 256, 128]",
    "config": '{"optimizer": "adamw", "betas": [0.9, 0.999]}',
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("where", ["parameters", "tags"])
def test_a_planted_secret_is_masked_and_reported(where, kind):
    secret = PLANTED[kind]
    clean = masked(samples.run(**{where: {"endpoint": secret}}), samples.STORE)
    assert _core(secret) not in repr(asdict(clean))
    (found,) = {s.place for s in clean.secrets}
    assert found == f"{where}/endpoint"
    assert _core(secret) not in record_of(clean, "s").data.decode()


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_in_a_text_file_is_found_with_its_line(kind):
    secret = PLANTED[kind].replace("\n", " ")
    found = _observe(f"first line\nendpoint = '{secret}'\n".encode())
    assert [s.place for s in found][:1] == ["outputs/app.log:2"]
    assert _core(secret) not in repr(found)


@pytest.mark.parametrize("name", HARMLESS)
def test_evidence_that_only_looks_like_a_secret_is_left_alone(name):
    run = samples.run(parameters={name: HARMLESS[name]})
    clean = masked(run, samples.STORE)
    assert clean == run


def test_a_value_is_judged_together_with_its_name():
    clean = masked(samples.run(parameters={"db_password": "hunter2"}), samples.STORE)
    assert re.fullmatch(r"\[masked:secret-keyword:[0-9a-f]{16}\]", clean.parameters["db_password"])


@pytest.mark.parametrize(
    "value",
    [
        '{"db": {"password": "hunter2json"}}',
        "user: bob\npassword: hunter2yaml",
        "host=db user=ml password=hunter2dsn",
        "Authorization: Bearer hunter2bearer0123456789",
        "run.py --api-key=hunter2cli",
    ],
    ids=["json", "yaml", "dsn", "bearer", "command-line"],
)
def test_a_secret_within_a_longer_text_is_masked(value):
    clean = masked(samples.run(parameters={"config": value}), samples.STORE)
    assert "hunter2" not in repr(clean.parameters)
    assert clean.secrets


def test_a_secret_in_a_metric_name_is_masked_everywhere():
    name = "loss " + PLANTED["databricks-token"]
    clean = masked(samples.run({name: 1.0}), samples.STORE)
    assert PLANTED["databricks-token"] not in repr(asdict(clean))
    assert clean.metrics[0].key == clean.series[0].key


def test_a_secret_in_a_name_is_in_no_place_that_is_told_either():
    key = PLANTED["aws-access-key"]
    run = samples.run(
        parameters={key: "postgresql://me:s3cr3tpass@db.example.com/x"},
        secrets=(Secret(f"artifacts/{key}/a.env:3", "entropy", "0" * 16),),
        gaps=(Gap(f"artifacts/{key}/a.env", "not-read", f"{key} was away"),),
    )
    found = masked(run, samples.STORE)
    assert key not in repr(asdict(found))
    assert key not in record_of(found, samples.STORE).data.decode()
    assert [one for one in found.secrets if "[masked:aws-access-key:" in one.place]


def test_only_the_secret_part_of_a_longer_value_is_masked():
    clean = masked(samples.run(parameters={"url": SAS}), samples.STORE)
    assert clean.parameters["url"].startswith("https://acc.blob.core.windows.net/c/f?sv=2024-11-04")


def test_a_fingerprint_tells_the_same_secret_again_within_a_store_only():
    assert fingerprint("hunter2", "a") == fingerprint("hunter2", "a")
    assert fingerprint("hunter2", "a") != fingerprint("hunter2", "b")


def test_two_captures_mask_to_the_same_bytes():
    run = samples.run(parameters={"password": "hunter2", "url": SAS})
    once, again = (record_of(masked(run, samples.STORE), "s") for _ in range(2))
    assert once.data == again.data


def test_binary_files_are_left_alone():
    assert not _observe(b"\x00\x01" + PLANTED["aws-access-key"].encode())


def test_a_text_too_long_to_scan_is_said_so():
    found = _observe(b"line\n" * (TEXT_LIMIT // 4))
    assert found == [Gap("outputs/app.log", "not-scanned", f"text of more than {TEXT_LIMIT} bytes")]


def test_a_secret_across_two_chunks_is_found():
    observer = TextObserver("outputs/app.log", samples.STORE)
    text = f"key={PLANTED['github-token']}\n".encode()
    observer.update(text[:20])
    observer.update(text[20:])
    assert [type(one) for one in observer.finish()] == [Secret]


def test_a_file_of_nothing_but_secrets_is_reported_within_bounds():
    line = f"token: '{PLANTED['github-token']}'\n".encode()
    found = _observe(line * 5_000)
    assert len(found) == 51
    assert found[-1].code == "not-scanned"


@pytest.mark.parametrize(
    "filler",
    ["a", "`", "'", '"', "=", "password", "password ", "password='", "pwd:", "://", "eyJ."],
)
def test_a_line_of_a_megabyte_takes_bounded_time(filler):
    line = (filler * (200_000 // len(filler))) + " " + PLANTED["aws-access-key"]
    assert any(hit.kind == "aws-access-key" for hit in hits(line))


def test_text_that_is_not_unicode_is_kept_as_escapes_and_said():
    clean = masked(samples.run(parameters={"p": "\ud800"}), samples.STORE)
    assert clean.parameters["p"] == "\\ud800"
    assert clean.gaps[0].code == "not-unicode"
    record_of(clean, "s")


def test_a_metric_without_history_is_masked_too():
    metric = Metric("auc", 0.5, None, None)
    clean = masked(samples.run(metrics=None, series=()), samples.STORE)
    assert clean.metrics[0].key == metric.key


def _observe(data: bytes) -> list[Secret | Gap]:
    observer = TextObserver("outputs/app.log", samples.STORE)
    observer.update(data)
    return list(observer.finish())


def _core(secret: str) -> str:
    """The part of a planted secret that must not be seen again."""
    if "://me:" in secret:
        return "s3cr3tpass"
    return max(re.split(r"[\s=&:@;/?%-]", secret), key=len)[-12:]
