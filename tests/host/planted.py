"""Credentials of many kinds, none of them real, and the places in which people leave them."""

from __future__ import annotations

import base64
import random
import re
import string
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

ALNUM = string.ascii_letters + string.digits


def made_up(seed: str, count: int, letters: str = ALNUM) -> str:
    """Always the same for the same seed, and found nowhere else."""
    chosen = random.Random(seed)
    return "".join(chosen.choice(letters) for _ in range(count))


def _x(seed: str, count: int = 36) -> str:
    return made_up(seed, count)


def _hex(seed: str, count: int) -> str:
    return made_up(seed, count, "0123456789abcdef")


_JWT = f"eyJ{_x('head', 20)}.eyJ{_x('claims', 30)}.{_x('sign', 43)}"

CORPUS: dict[str, tuple[str, str]] = {
    # By kind: the secret part, and `{}` where it stands in what is planted.
    "password in an address": (_x("pw", 14), "https://jo:{}@wiki.example.org/release"),
    "database": (_x("db", 14), "postgresql://jo:{}@db.example.org/models"),
    "password with a sign": (f"p/w%{_x('sign', 8)}@x", "https://jo:{}@wiki.example.org/release"),
    "token in an address": (_x("user", 24), "https://{}@git.example.org/team/model"),
    "SAS": (_x("sas", 43), "https://a.blob.core.windows.net/c?sv=2024-11-04&sig={}%3D"),
    "presigned": (_hex("s3", 64), "https://b.s3.amazonaws.com/o?X-Amz-Signature={}"),
    "function": (_x("fn", 52), "https://f.azurewebsites.net/api/x?code={}"),
    "account key": (_x("acc", 86), "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={}=="),
    "bare account key": (_x("bare", 86), "{}=="),
    "bus": (_x("bus", 43), "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKey={}="),
    "connection": (_x("con", 12), "Server=db;User Id=sa;Password={};"),
    "document": (_x("doc", 12), '{{"user": "jo", "password": "{}"}}'),
    "command": (_x("cmd", 20), "train.py --api-key={}"),
    "bearer": (_x("bearer", 40), "curl -H 'Authorization: Bearer {}'"),
    "basic": (_x("basic", 22), "Basic {}=="),
    "GitHub": (_x("gh"), "ghp_{}"),
    "GitHub job": (_x("ghs"), "ghs_{}"),
    "GitHub fine": (_x("pat", 60), "github_pat_{}"),
    "GitLab": (_x("gl", 20), "glpat-{}"),
    "GitLab job": (_x("glcbt", 20), "glcbt-64_{}"),
    "Slack": (f"{_x('sl1', 12)}-{_x('sl2', 24)}", "xoxb-{}"),
    "Slack hook": (
        f"T{_x('h1', 8)}/B{_x('h2', 8)}/{_x('h3', 24)}",
        "https://hooks.slack.com/services/{}",
    ),
    "Teams hook": (_x("teams", 32), "https://x.webhook.office.com/webhookb2/{}"),
    "Discord hook": (f"1234567890/{_x('dis', 60)}", "https://discord.com/api/webhooks/{}"),
    "OpenAI": (_x("oai", 48), "sk-{}"),
    "OpenAI project": (_x("proj", 64), "sk-proj-{}"),
    "Anthropic": (_x("ant", 64), "sk-ant-api03-{}"),
    "Hugging Face": (made_up("hf", 34, string.ascii_letters), "hf_{}"),
    "Databricks": (_hex("dapi", 32), "dapi{}"),
    "npm": (_x("npm"), "npm_{}"),
    "PyPI": (_x("pypi", 80), "pypi-AgEIcHlwaS5vcmc{}"),
    "Google": (_x("goog", 35), "AIza{}"),
    "AWS": (made_up("aws", 16, string.ascii_uppercase + string.digits), "AKIA{}"),
    "AWS secret": (_x("awss", 40), "aws_secret_access_key={}"),
    "Azure client": (_x("azc", 34), "abc8Q~{}"),
    "Vault": (_x("hvs", 24), "hvs.{}"),
    "JWT": (_JWT, "{}"),
    "private key": (_x("pem", 60), "-----BEGIN RSA PRIVATE KEY----- {}"),
    "percent-encoded": (_x("enc", 14), "https%3A%2F%2Fjo%3A{}%40wiki.example.org"),
}

ONLY_BY_NAME = (
    "GITHUB_TOKEN",
    "SYSTEM_ACCESSTOKEN",
    "CI_JOB_TOKEN",
    "AZUREML_RUN_TOKEN",
    "MSI_SECRET",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "DB_PASSWORD",
    "DEPLOY_KEY",
)
"""Variables that hold what looks like nothing at all."""

CI = (
    {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.example.org",
        "GITHUB_REPOSITORY": "{}",
        "GITHUB_RUN_ID": "{}",
        "GITHUB_RUN_ATTEMPT": "{}",
        "GITHUB_HEAD_REF": "{}",
    },
    {
        "TF_BUILD": "True",
        "SYSTEM_COLLECTIONURI": "https://jo:{}@dev.azure.com/org/",
        "SYSTEM_TEAMPROJECT": "{}",
        "BUILD_BUILDID": "{}",
        "BUILD_SOURCEBRANCH": "refs/heads/{}",
    },
    {
        "GITLAB_CI": "true",
        "CI_PIPELINE_ID": "{}",
        "CI_PIPELINE_URL": "https://gitlab-ci-token:{}@gitlab.example.org/x/-/pipelines/1",
        "CI_JOB_URL": "https://gitlab-ci-token:{}@gitlab.example.org/x/-/jobs/1",
        "CI_COMMIT_BRANCH": "{}",
        "CI_JOB_IMAGE": "jo:{}@registry.example.org/x:1",
    },
    {
        "JENKINS_URL": "https://jenkins.example.org",
        "BUILD_TAG": "{}",
        "BUILD_URL": "https://jo:{}@jenkins.example.org/job/x/1/",
        "CHANGE_BRANCH": "{}",
    },
)
REMOTES = (
    "https://{}@git.example.org/x.git",
    "https://jo:{}@git.example.org/x.git",
    "https://{}:x-oauth-basic@git.example.org/x.git",
    "https://git.example.org/x.git?private_token={}",
    "https://git.example.org/x.git#{}",
    "ssh://{}@git.example.org/x.git",
    "ssh://jo:{}@git.example.org:22/x.git",
    "git://{}@git.example.org/x.git",
    "{}@git.example.org:x.git",
    "jo:{}@git.example.org:x.git",
    "file:///srv/{}/x.git",
    "/srv/{}/x.git",
    "ext::sh -c {}",
)


SECRETS = (
    *(secret for secret, _ in CORPUS.values()),
    *(made_up(name, 12, string.ascii_lowercase) for name in ONLY_BY_NAME),
    *(made_up(remote, 20) for remote in REMOTES),
)


@dataclass(frozen=True)
class Case:
    """What a process finds: files and a repository, and the variables of each of its runs."""

    toml: str
    remote: str
    branch: str
    runs: list[dict[str, str]]


def cases(names: tuple[str, ...]) -> list[Case]:
    """Every kind in every place, CI systems in turn. `names` are those of governance."""
    texts = [form.format(secret) for secret, form in CORPUS.values()]
    held = {name: made_up(name, 12, string.ascii_lowercase) for name in ONLY_BY_NAME}
    texts += [f"jo, {secret}" for secret in held.values()]
    found = []
    for number, remote in enumerate(REMOTES):
        mine = [texts[(number * 7 + step) % len(texts)] for step in range(len(names))]
        lines = [f'{name} = "{_quoted(text)}"\n' for name, text in zip(names, mine, strict=True)]
        runs = [{**held, **_variables(names, texts, at)} for at in range(number, len(texts), 13)]
        address = remote.format(made_up(remote, 20))
        found.append(
            Case(
                "[governance]\n" + "".join(lines),
                address,
                _branch(texts[number * 3 % len(texts)]),
                runs,
            )
        )
    return found


def _variables(names: tuple[str, ...], texts: list[str], at: int) -> dict[str, str]:
    """One text in all the variables which the second half of the names and CI have."""
    text = texts[at]
    said = {f"EVIDENCE_{name.upper()}": f"{text} of the team" for name in names[at % 2 :: 2]}
    said["EVIDENCE_IMAGE"] = f"jo:{made_up(REMOTES[0], 20)}@registry/x:1" if at % 2 else text
    return said | {name: form.replace("{}", text) for name, form in CI[at % len(CI)].items()}


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _branch(text: str) -> str:
    """A branch of this name, if git takes it as it is."""
    return f"b/{text}" if re.fullmatch(r"[\w.=+%/&#-]+", text) else "main"


def forms(secret: str) -> set[bytes]:
    """The secret as it is, percent-encoded, and within base64 at each of the three offsets."""
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode(), quote_plus(secret).encode()}
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + raw)
        found.add(whole[4 if offset else 0 : len(whole) - 4])
    return {form for form in found if len(form) >= 8}
