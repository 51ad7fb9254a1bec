"""The consumers file: what it may say, and how it says what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from api.consumers import SECTIONS
from api.consumers.azure_devops import AzureDevOps
from api.consumers.mapping import Template
from api.consumers.options import read
from mlflow_evidence_plugin.errors import BadConfig
from mlflow_evidence_plugin.settings import Settings
from tests.authority import openssl


def refused(text: str | bytes) -> str:
    with pytest.raises(BadConfig) as found:
        read(text if isinstance(text, bytes) else text.encode(), SECTIONS)
    assert "docs/integrations" in found.value.mend
    return found.value.detail


def test_a_whole_file_is_read_and_shows_no_secret(told, github, gitlab):
    found = read(told(wait=5).encode(), SECTIONS)
    assert set(found) == {"azure_devops", "github", "gitlab"}
    assert isinstance(found["azure_devops"], AzureDevOps)
    assert found["github"].wait_minutes == 5
    assert found["github"].principal.scopes == ("evidence:read",)
    assert found["github"].principal.models == ("credit", "credit-*")
    shown = repr(found)
    for secret in (github.secret, gitlab.secret, gitlab.token, "PRIVATE KEY"):
        assert secret not in shown


def test_a_file_may_name_nobody():
    assert read(b"version = 1", SECTIONS) == {}


WRONG = {
    "no-version": ("version = 1\n", "", "version: Missing"),
    "other-version": ("version = 1\n", "version = 2\n", "version: Must be equal to 1"),
    "no-toml": ("version = 1\n", "version: 1\n", "not TOML"),
    "twice": ("[github]", '[gitlab]\nx = 1\n[github]\nurl = "x"', "not TOML"),
    "unknown-consumer": ("[github]", "[githab]", "githab: Unknown field"),
    "unknown-name": ('app_id = "31415"', 'app_idd = "31415"', "github.app_idd: Unknown field"),
    "no-secret": ("secret_file =", "#", "github.secret_file: Missing"),
    "secret-itself": (
        'secret_file = "{folder}/github-secret"',
        'secret_file = "hunter2hunter2hunter2"',
        "Not an absolute path",
    ),
    "no-such-file": ("github-secret", "nothing", "cannot be read: No such file"),
    "plain-http": ('"{github}"\naddresses = "loopback"', '"{github}"', "Only https://"),
    "no-url": (
        'url = "{github}"',
        'url = "https://user:pw-here@github"',
        "github.url: Not a plain",
    ),
    "odd-addresses": ('"loopback"', '"all"', "addresses: Must be one of"),
    "no-globs": ('models = ["credit", "credit-*"]', "models = []", "github.models"),
    "wait": ("{wait}", "100000", "wait_minutes: Must be"),
    "wait-text": ("{wait}", '"5"', "wait_minutes: Not a valid integer"),
    "place-twice": ('environment = "canary"', 'environment = "production"', "stands twice"),
    "no-model": ('model = "credit"\nalias', "alias", "a model and either its version or an alias"),
    "both": ('alias = "production"', 'alias = "x"\nversion = "1"', "either its version or an"),
    "model-twice": (
        "[[github.checks]]",
        "[[github.checks]]\nread = {{field='ref', as='{{model}}'}}",
        "a model and either",
    ),
    "field": ('field = "ref"', 'field = "sha"', "`read` takes ref, task, description"),
    "template": ("{{model}}/v{{version}}", "{{model}}{{version}}", "something between"),
    "template-unknown": ("{{model}}/v{{version}}", "{{model}}/{{run}}", "Takes {model}"),
    "no-environment": ('policy_environment = "moon"', "", "policy_environment: Missing"),
    "repository": ('"octo/credit-serving"', '"credit-serving"', "repository: String does not"),
    "not-an-rsa-key": ("app.pem", "github-secret", "Not an RSA private key"),
    "no-webhook-key": ("gitlab-webhook-key", "gitlab-secret", "whsec_ and a key"),
    "deployments-without-key": ("webhook_key_file", "#", "Needed for deployments"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_place(name, secret_files):
    from tests.consumers.conftest import FILE

    before, after, said = WRONG[name]
    assert before in FILE
    text = FILE.replace(before, after, 1 if name != "secret-itself" else -1)
    urls = dict.fromkeys(("ado", "github", "gitlab"), "http://127.0.0.1:1")
    detail = refused(text.format(folder=secret_files, wait=0, **urls))
    assert said in detail
    assert "hunter2" not in detail
    assert "pw-here" not in detail


def test_bytes_that_are_no_text_and_files_that_are_too_long_are_refused():
    assert "not TOML" in refused(b"\xff\xfe")
    assert "more than" in refused(b"#" * 300_000)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o620, 0o666, 0o777])
def test_a_secret_that_others_may_read_or_write_is_refused(told, secret_files, mode):
    path = secret_files / "github-secret"
    path.chmod(mode)
    try:
        assert "is open to others: chmod 600" in refused(told())
    finally:
        path.chmod(0o600)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o640])
def test_a_secret_as_a_cluster_mounts_it_is_taken(told, secret_files, mode):
    path = secret_files / "github-secret"
    path.chmod(mode)
    try:
        read(told().encode(), SECTIONS)
    finally:
        path.chmod(0o600)


@pytest.mark.parametrize("content", ["", "short", "x" * 70_000])
def test_a_secret_that_is_too_short_or_too_long_is_refused(told, secret_files, tmp_path, content):
    path = tmp_path / "secret"
    path.write_text(content)
    path.chmod(0o600)
    text = told().replace(f"{secret_files}/github-secret", str(path))
    assert "has less than 16 bytes, or too many" in refused(text)


@pytest.mark.parametrize("kind", ["public", "ec"])
def test_a_key_that_is_not_a_private_rsa_key_is_refused(told, secret_files, tmp_path, kind):
    path = tmp_path / "key.pem"
    if kind == "public":
        openssl("rsa", "-in", secret_files / "app.pem", "-pubout", "-out", path, check=True)
    else:
        made = ("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
        openssl(*made, check=True)
    path.chmod(0o600)
    assert "Not an RSA" in refused(told().replace(f"{secret_files}/app.pem", str(path)))


def test_a_token_that_cannot_stand_in_a_header_is_refused(told, secret_files, tmp_path):
    path = tmp_path / "token"
    path.write_text("glpat-aaaaaaaaaaaaaa\nX-Evil: 1")
    path.chmod(0o600)
    assert "holds no token" in refused(told().replace(f"{secret_files}/gitlab-token", str(path)))


def test_the_setting_names_the_file():
    found = Settings.read({"EVIDENCE_SERVICE_CONSUMERS_FILE": "/etc/x.toml", "HOME": "/"})
    assert str(found.consumers_file) == "/etc/x.toml"
    assert Settings.read({}).consumers_file is None


@pytest.mark.parametrize("command", [[], ["prepare"], ["web"]])
def test_a_service_with_a_wrong_file_says_so_and_does_not_start(command, tmp_path):
    (tmp_path / "consumers.toml").write_text("version = 1\n[githab]\n")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "EVIDENCE_"))}
    env |= {
        "EVIDENCE_SERVICE_HOME": str(tmp_path / "home"),
        "EVIDENCE_SERVICE_TRACKING_URI": "http://127.0.0.1:1",
        "EVIDENCE_SERVICE_CONSUMERS_FILE": str(tmp_path / "consumers.toml"),
    }
    if command == ["web"]:
        clean = {k: v for k, v in env.items() if not k.endswith("CONSUMERS_FILE")}
        subprocess.run([sys.executable, "-m", "api", "prepare"], env=clean, check=True, timeout=60)
    done = subprocess.run(
        [sys.executable, "-m", "api", *command], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "githab: Unknown field" in done.stderr
    assert "Traceback" not in done.stderr


# Templates


@pytest.mark.parametrize(
    ("template", "text", "found"),
    [
        ("v{version}", "v7", {"version": "7"}),
        ("v{version}", "refs/tags/v7", None),
        ("v{version}", "v7x", None),
        ("v{version}", "v", None),
        ("v{version}", "v７", None),
        ("v{version}", "v" + "7" * 400, None),
        ("{model}-v{version}", "credit-v2-v7", {"model": "credit-v2", "version": "7"}),
        ("{model}@{alias}", "credit@production", {"model": "credit", "alias": "production"}),
        ("{model}@{alias}", "a/b@production", None),
        ("a.b{version}", "axb1", None),
        ("(.*){version}", "(.*)1", {"version": "1"}),
    ],
)
def test_a_template_reads_the_whole_text_or_nothing(template, text, found):
    assert Template(template).read(text) == found


def test_no_text_makes_a_template_slow():
    import time

    template = Template("{model}-{version}.{alias}")
    began = time.monotonic()
    for text in ("a-" * 128, "-1" * 128, "1." * 128, "a" * 256, "." * 256):
        template.read(text)
    assert time.monotonic() - began < 0.5
