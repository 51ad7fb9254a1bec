"""One real tracking server, one world of runs and models on it, one service: made once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.contract.checked import Client
from tests.servers import mlflow_server
from tests.world import (
    FILES,
    GOVERNANCE,
    PLANTED,
    POLICY,
    Maker,
    log_input,
    version_behind_the_server,
)


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="session")
def mlflow_url(store_folder) -> Iterator[str]:
    """A real tracking server."""
    with mlflow_server(store_folder) as url:
        yield url


@pytest.fixture(scope="session")
def maker(mlflow_url) -> Maker:
    return Maker(mlflow_url)


@pytest.fixture(scope="session")
def world(maker, store_folder) -> SimpleNamespace:
    """Ids of runs by what is odd about them, and versions of the model `credit` likewise."""
    good = maker.run(files=FILES)
    regressed = maker.run(log_loss=0.9, files={"model/MLmodel": "y\n"})
    odd = maker.run(metrics={"nan": math.nan, "up": math.inf, "down": -math.inf})
    planted = maker.run(
        params={"database": PLANTED["url"]},
        tags={**GOVERNANCE, "note": f"used {PLANTED['key']}"},
        files={"deploy/settings.env": f"REGION=eu\n{PLANTED['line']}\n"},
    )
    parent = maker.run()
    child = maker.run(tags={"mlflow.parentRunId": parent})
    foreign = maker.run(experiment="secret-lab")
    with_inputs = maker.run()
    log_input(maker.client, with_inputs)
    found = SimpleNamespace(**{k: v for k, v in locals().items() if k not in ("maker", "self")})
    found.v_good = maker.version("credit", good)
    found.v_regressed = maker.version("credit", regressed)
    found.v_uncaptured = maker.version("credit", with_inputs)
    found.v_no_run = version_behind_the_server(store_folder, "mlflow-artifacts:/nowhere")
    found.v_passwd = version_behind_the_server(store_folder, "file:///etc/passwd")
    found.v_foreign = maker.version("vault", foreign)
    maker.client.set_registered_model_alias("credit", "production", found.v_good)
    maker.client.set_registered_model_alias("credit", "candidate", found.v_regressed)
    maker.client.set_registered_model_alias("vault", "production", found.v_foreign)
    return found


@dataclass(frozen=True)
class Service:
    """The use cases on their parts, and the home that they live in."""

    evidence: Any
    settings: Any

    @property
    def home(self) -> Path:
        return self.settings.home

    def app(self, **changes: Any) -> Any:
        """The application; captures are carried out within the request that orders them.

        `store`, `policy`, `signers` and `now` change the parts that capture, take in and decide.
        """
        from api.app import create_app

        parts = {"policy": changes.pop("policy")} if "policy" in changes else {}
        parts |= {"now": changes["now"]} if "now" in changes else {}
        gathering = self.evidence.deciding.gathering
        if "store" in changes:
            store = changes.pop("store")
            gathering = replace(gathering, mlflow=store)
            changes["capturing"] = replace(self.evidence.capturing, store=store)
        if "signers" in changes:
            signers = changes.pop("signers")
            gathering = replace(gathering, signers=signers)
            changes["ingesting"] = replace(self.evidence.ingesting, signers=signers)
        parts["gathering"] = gathering
        changes["deciding"] = replace(self.evidence.deciding, **parts)
        evidence = replace(self.evidence, **changes)
        return create_app(evidence, lambda order: evidence.capturing.perform(order))

    def on_store(self, store: Any) -> Any:
        """The application on another tracking store, with the same database."""
        return self.app(store=store)

    def token(
        self,
        principal: str,
        *scopes: str,
        experiments: tuple[str, ...] = ("*",),
        models: tuple[str, ...] = ("*",),
        expires_at: str | None = None,
        roles: tuple[str, ...] = (),
    ) -> str:
        scopes = scopes or ("evidence:read", "capture")
        now = instant(timedelta())
        args = (principal, scopes, experiments, models, now, expires_at)
        return self.evidence.tokens.create(*args, roles)

    def counts(self) -> dict[str, int]:
        """Rows in every table."""
        from sqlalchemy import func, select

        from mlflow_evidence_plugin.storage.tables import metadata

        with self.evidence.capturing.database.reading() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }


def instant(later: timedelta) -> str:
    at = datetime.now(timezone.utc) + later
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def serve(home: Path, tracking_uri: str, **env: str) -> Service:
    """A service in a home of its own."""
    from mlflow_evidence_plugin.settings import Settings
    from mlflow_evidence_plugin.wiring import build, prepare

    said = {"HOME": str(home), "TRACKING_URI": tracking_uri, **env}
    settings = Settings.read({f"EVIDENCE_SERVICE_{k}": v for k, v in said.items()})
    prepare(settings)
    return Service(build(settings), settings)


@pytest.fixture
def started(tmp_path, monkeypatch) -> Iterator[Callable[..., Service]]:
    """Starts services on other stores; impatient ones, and the session's store is put back."""
    import mlflow

    # One store a process: some of MLflow's artifact clients read the global URI.
    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    made: list[Service] = []

    def start(tracking_uri: str, **env: str) -> Service:
        mlflow.set_tracking_uri(tracking_uri)
        made.append(serve(tmp_path / f"home{len(made)}", tracking_uri, **env))
        return made[-1]

    yield start
    for one in made:
        one.evidence.capturing.database.dispose()
    mlflow.set_tracking_uri(before)


DATABASES = ("sqlite", "postgres")


def pytest_generate_tests(metafunc) -> None:
    """All of tests/api runs on both databases; what stands elsewhere needs but one of them."""
    if "database_kind" in metafunc.fixturenames:
        both = metafunc.definition.path.is_relative_to(Path(__file__).parent / "api")
        kinds = DATABASES if both else DATABASES[:1]
        metafunc.parametrize("database_kind", kinds, scope="session")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory) -> Iterator[Any]:
    """A real PostgreSQL."""
    from tests.postgres import postgres

    with postgres(tmp_path_factory.mktemp("postgres") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def service_database(database_kind, request) -> dict[str, str]:
    """What the service's settings say about its database."""
    if database_kind == "sqlite":
        return {}
    return {"DATABASE_URL": request.getfixturevalue("postgres_server").new_database()}


@pytest.fixture(scope="session")
def service(mlflow_url, service_database, tmp_path_factory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MAX_RETRIES", "BACKOFF_FACTOR", "TIMEOUT"):
            patch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", {"TIMEOUT": "20"}.get(name, "1"))
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        said = {"POLICY_FILE": str(folder / "policy.yaml"), **service_database}
        made = serve(folder / "home", mlflow_url, **said)
        yield made
        made.evidence.capturing.database.dispose()


@pytest.fixture(scope="session")
def evidence(service) -> Any:
    return service.evidence


@pytest.fixture(scope="session")
def app(service, world) -> Any:
    return service.app()


@pytest.fixture(scope="session")
def tokens(service) -> SimpleNamespace:
    """By name: tokens of different scopes and globs, and some that are no longer valid."""
    token = service.token
    mine = {"experiments": ("credit*",), "models": ("credit",)}
    found = SimpleNamespace(
        admin=(service.home / "token").read_text().strip(),
        reader=token("reader", "evidence:read"),
        capturer=token("capturer", "capture"),
        approver=token("approver", "approve"),
        mine=token("mine", **mine),
        stranger=token("stranger", experiments=("nothing",), models=("nothing",)),
        expired=token("late", expires_at=instant(timedelta(seconds=-1))),
        revoked=token("gone"),
    )
    service.evidence.tokens.revoke(found.revoked.split("_")[1], instant(timedelta()))
    return found


@pytest.fixture(scope="session")
def admin(app, tokens) -> Client:
    return Client(app, tokens.admin)


@pytest.fixture(scope="session")
def client(app) -> Callable[[str | None], Client]:
    """A client with the token that is given."""
    return lambda token: Client(app, token)


@pytest.fixture(scope="session")
def captured(admin, world) -> SimpleNamespace:
    """Digests of the evidence of the world's good and regressed versions and some of its runs."""

    def digest(**subject: str) -> str:
        answer = admin.capture(**subject)
        assert answer.status_code == 201, answer.text
        return answer.json["digest"]

    return SimpleNamespace(
        good=digest(model="credit", version=world.v_good),
        regressed=digest(model="credit", version=world.v_regressed),
        run=digest(run_id=world.good),
        foreign=digest(model="vault", version=world.v_foreign),
        foreign_run=digest(run_id=world.foreign),
    )
