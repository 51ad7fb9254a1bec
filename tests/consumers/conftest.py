"""The service on a socket, the consumers beside it, and a file that says who they are."""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.serving import make_server

from api.app import create_app
from api.consumers import SECTIONS, Consumers
from api.consumers.options import read
from api.consumers.outgoing import RETRIES, Outgoing
from api.consumers.telling import Telling
from mlflow_evidence_plugin.storage import Database
from tests.authority import openssl
from tests.consumers.desks import opened
from tests.consumers.doubles import AzureDevOps, GitHub, GitLab, listening
from tests.consumers.jira import Jira
from tests.consumers.servicenow import ServiceNow
from tests.world import GOVERNANCE

PUBLIC_URL = "https://evidence.example.org"

BRISK = RETRIES.new(backoff_factor=0.01, backoff_jitter=0)
"""The same tries, without the pauses."""

FILE = """
version = 1

[azure_devops]
wait_minutes = {wait}
organizations = [{{ url = "{ado}/contoso", addresses = "loopback" }}]

[github]
url = "{github}"
addresses = "loopback"
app_id = "31415"
private_key_file = "{folder}/app.pem"
secret_file = "{folder}/github-secret"
models = ["credit", "credit-*"]
experiments = ["*"]
wait_minutes = {wait}

[[github.checks]]
repository = "octo/credit-serving"
environment = "production"
policy_environment = "prod"
model = "credit"
alias = "production"

[[github.checks]]
repository = "octo/credit-serving"
environment = "canary"
policy_environment = "prod"
read = {{ field = "ref", as = "{{model}}/v{{version}}" }}

[[github.checks]]
repository = "octo/credit-serving"
environment = "moon"
policy_environment = "moon"
model = "credit"
alias = "production"

[gitlab]
url = "{gitlab}"
addresses = "loopback"
token_file = "{folder}/gitlab-token"
secret_file = "{folder}/gitlab-secret"
webhook_key_file = "{folder}/gitlab-webhook-key"
models = ["credit", "credit-*"]
experiments = ["*"]
wait_minutes = {wait}

[[gitlab.merge_requests]]
project = "risk/credit"
check = "Model evidence"
policy_environment = "prod"
read = {{ field = "source_branch", as = "promote/{{model}}-{{version}}" }}

[[gitlab.deployments]]
project = "risk/credit"
environment = "production"
policy_environment = "prod"
model = "credit"
read = {{ field = "ref", as = "v{{version}}" }}
"""


@pytest.fixture(scope="session")
def secret_files(tmp_path_factory) -> Path:
    """Each secret in a file of its own, as an operator keeps them."""
    folder = tmp_path_factory.mktemp("secrets")
    openssl("genrsa", "-out", folder / "app.pem", 2048, check=True)
    said = ("github-secret", "gitlab-secret", "gitlab-token", "servicenow-password", "jira-token")
    for name in said:
        (folder / name).write_text(secrets.token_urlsafe(32) + "\n")
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    (folder / "gitlab-webhook-key").write_text(f"whsec_{key}\n")
    for one in folder.iterdir():
        one.chmod(0o600)
    return folder


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path) -> Iterator[Database]:
    """A database with the schema and nothing in it: the tests run on both kinds."""
    url = f"sqlite:///{tmp_path / 'evidence.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_server").new_database()
    made = Database(url)
    made.migrate()
    yield made
    made.dispose()


@pytest.fixture
def ado() -> Iterator[AzureDevOps]:
    double = AzureDevOps()
    with listening(double):
        yield double


@pytest.fixture
def github(secret_files) -> Iterator[GitHub]:
    public = openssl("rsa", "-in", secret_files / "app.pem", "-pubout", check=True).stdout
    double = GitHub((secret_files / "github-secret").read_text().strip(), "31415", public)
    with listening(double):
        yield double


@pytest.fixture
def gitlab(secret_files) -> Iterator[GitLab]:
    said = {name: (secret_files / f"gitlab-{name}").read_text().strip() for name in WHAT}
    key = base64.b64decode(said["webhook-key"].removeprefix("whsec_"))
    double = GitLab(said["secret"], key, said["token"])
    with listening(double):
        yield double


WHAT = ("secret", "webhook-key", "token")


@dataclass(frozen=True)
class Served:
    """A service that answers on a socket."""

    url: str
    consumers: Consumers

    def check(self, name: str) -> str:
        return f"{self.url}/v1/checks/{name}"


@pytest.fixture
def told(secret_files, ado, github, gitlab) -> Callable[..., str]:
    """The consumers file, with the addresses of the doubles."""

    def text(wait: int = 0) -> str:
        urls = {"ado": ado.url, "github": github.url, "gitlab": gitlab.url}
        return FILE.format(folder=secret_files, wait=wait, **urls)

    return text


@pytest.fixture
def start(service, told) -> Iterator[Callable[..., Served]]:
    """Starts services; `changes` are of the use cases, `shared` of what the consumers share."""
    running: list[Any] = []

    def started(wait: int = 0, text: str | None = None, **changes: Any) -> Served:
        sections = read((text or told(wait)).encode(), SECTIONS)
        shared = Consumers(sections, Outgoing(BRISK), pause=0.05)
        evidence = replace(service.evidence, **changes)
        app = create_app(evidence, evidence.capturing.perform, shared)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        running.append(server)
        return Served(f"http://127.0.0.1:{server.server_port}", shared)

    yield started
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def served(start, captured) -> Served:
    """A service that does not wait for evidence."""
    return start()


@pytest.fixture
def waiting(start, captured) -> Served:
    """A service that waits for evidence for a minute."""
    return start(wait=1)


@pytest.fixture
def late(admin, maker) -> SimpleNamespace:
    """A version that nobody has captured yet, and what captures it."""
    model = maker.new_name("credit-late")
    version = maker.version(model, maker.run())
    maker.client.set_registered_model_alias(model, "production", version)
    capture = lambda: admin.capture(model=model, version=version)  # noqa: E731
    return SimpleNamespace(model=model, version=version, capture=capture)


@pytest.fixture
def servicenow(secret_files) -> Iterator[ServiceNow]:
    password = (secret_files / "servicenow-password").read_text().strip()
    with opened(ServiceNow("svc.evidence", password)) as double:
        yield double


@pytest.fixture
def jira(secret_files) -> Iterator[Jira]:
    token = (secret_files / "jira-token").read_text().strip()
    with opened(Jira("evidence@example.org", token)) as double:
        yield double


@pytest.fixture
def released(maker, admin, service) -> Callable[..., SimpleNamespace]:
    """Makes a version of a model of its own, captured and judged as a worker does it."""

    def made(ticket: str, **options: Any) -> SimpleNamespace:
        model = maker.new_name("told")
        tags = GOVERNANCE | {"evidence.ticket": ticket} | options.pop("tags", {})
        run_id = maker.run(tags=tags, **options)
        version = maker.version(model, run_id)
        maker.client.set_registered_model_alias(model, "production", version)
        digest = admin.capture(model=model, version=version).json["digest"]
        subject = f"models/{model}/{version}"
        service.evidence.deciding.settle(subject)
        told = {"model": model, "version": version, "run_id": run_id}
        return SimpleNamespace(**told, digest=digest, subject=subject, ticket=ticket)

    return made


@pytest.fixture
def turned(maker, admin, service) -> Callable[[SimpleNamespace], None]:
    """Turns a release's verdict from allowed to blocked, once."""
    done: set[str] = set()

    def turn(release: SimpleNamespace) -> None:
        if release.subject in done:
            return
        done.add(release.subject)
        maker.client.log_metric(release.run_id, "auc", 0.1, step=99)
        admin.capture(model=release.model, version=release.version)
        service.evidence.deciding.settle(release.subject)

    return turn


@pytest.fixture
def last(service) -> int:
    """The place of the last verdict so far: what comes after it is this test's own."""
    found = service.evidence.deciding.decisions.after(0, "", 1_000_000)
    return found[-1][0] if found else 0


@pytest.fixture
def teller(service) -> Callable[..., Telling]:
    """What tells ticket systems, by a consumers file; `later` sets its clock forward."""

    def made(text: str, later: timedelta = timedelta(), **changes: Any) -> Telling:
        known = service.evidence
        evidence = replace(known, now=lambda: known.now() + later)
        said = {"linking": None, "public_url": PUBLIC_URL} | changes
        return Telling(evidence, read(text.encode(), SECTIONS), **said)

    return made
