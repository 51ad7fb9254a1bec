"""Good archives, made by the real service of snapshots made by hand."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from mlflow_evidence_plugin.policy import parse
from mlflow_evidence_plugin.signing import SigningKey
from mlflow_evidence_plugin.snapshot import Artifact
from tests.browser.gallery import Gallery, gallery, histories, made_run, made_version
from tests.contract.checked import Client

from .forge import Forge

GATE = b"""
version: 1
environments:
  gate:
    rules:
      - rule: approvals
        roles: [risk]
      - rule: required-metrics
        metrics: [f1]
"""
AGAIN = (Artifact("MLmodel", 812, "ab" * 32), Artifact("model.pkl", 1_284_512, "ce" * 32))


@dataclass(frozen=True)
class World:
    """Archives, opened, and what an auditor has been given."""

    folder: Path
    pem: Path
    trust: Path
    key: SigningKey = field(repr=False)
    stranger: SigningKey = field(repr=False)
    good: Forge = field(repr=False)
    """Version 6: two records, verdicts for three environments, one of them made twice."""
    denied: Forge = field(repr=False)
    """Version 7: allowed for one environment, and then denied for another."""
    stale: Forge = field(repr=False)
    early: Forge = field(repr=False)
    other: Forge = field(repr=False)
    erased: Forge = field(repr=False)
    """A version whose first record was erased before the second was captured."""
    approved: Forge = field(repr=False)
    """A version that somebody approved, and for whose one failure somebody answers."""
    elsewhere: Forge = field(repr=False)
    """The same version's evidence, signed by the same key, of another store."""

    def given(self, name: str, data: bytes) -> Path:
        """A file of an auditor's."""
        path = self.folder / name
        path.write_bytes(data)
        return path


def made(folder: Path) -> World:
    """A world in an empty folder."""
    service = gallery(folder)
    shelf = service.shelf
    shelf.aliases["tumour", "production"] = "5"
    curves = histories(3, 8)
    service.capture(_version("5", curves))
    service.capture(_version("6", curves, files=AGAIN))
    service.judge("tumour", "6", "lab")
    newest = service.capture(_version("6", curves))
    for environment in ("prod", "lab", "first"):
        service.judge("tumour", "6", environment)
    worse = {**curves, "log_loss": [0.9] * 8}
    denied = service.capture(_version("7", worse))
    for environment in ("lab", "prod"):
        service.judge("tumour", "7", environment)
    other = service.capture(_version("6", curves, name="tumor"))
    service.judge("tumor", "6", "lab")
    first = service.capture(_version("6", curves, name="patients", files=AGAIN))
    gone = Client(service.app, service.token).post(
        f"/v1/bundles/{first}/erasure", {"reason": "a patient's name"}
    )
    assert gone.status_code == 200, gone.text
    erased = service.capture(_version("6", curves, name="patients"))
    service.judge("patients", "6", "lab")
    now = datetime.now(timezone.utc)
    at = {"stale": now - timedelta(days=3), "early": now + timedelta(days=300)}
    judged = {name: _judged(service, curves, name, when) for name, when in at.items()}
    key = SigningKey.load(service.service.settings.signing_key)
    (folder / "public.pem").write_bytes(key.public_pem)
    (folder / "trust.json").write_bytes(Client(service.app, None).get("/v1/trust").data)
    return World(
        folder,
        folder / "public.pem",
        folder / "trust.json",
        key,
        SigningKey.create(folder / "stranger.pem"),
        _archive(service, newest, key),
        _archive(service, denied, key),
        **{name: _archive(service, digest, key) for name, digest in judged.items()},
        other=_archive(service, other, key),
        erased=_archive(service, erased, key),
        approved=_archive(service, _approved(service, curves), key),
        elsewhere=_elsewhere(folder, key, curves),
    )


def _version(number: str, curves: Any, **changes: Any) -> Any:
    run = made_run(curves)
    tags = run.tags | {"evidence.ticket": "CHG-1", "evidence.runbook": "https://example.org"}
    return made_version(number, replace(run, tags=tags), **{"previous": None, **changes})


def _judged(service: Gallery, curves: Any, name: str, when: datetime) -> str:
    digest = service.capture(_version("6", curves, name=name))
    app = service.service.app(store=service.shelf, now=lambda: when)
    path = f"/v1/models/{name}/versions/6/decision?environment=lab"
    assert Client(app, service.token).get(path).status_code == 200
    return digest


def _approved(service: Gallery, curves: Any) -> str:
    digest = service.capture(_version("6", curves, name="approved"))
    app = service.service.app(store=service.shelf, policy=parse(GATE))
    token = service.service.token("rita", "evidence:read", "approve", "policy", roles=("risk",))
    rita, place = Client(app, token), f"/v1/bundles/{digest}"
    word = {"role": "risk", "decision": "approved"}
    assert rita.post(f"{place}/approvals", word).status_code == 201
    until = datetime.now(timezone.utc) + timedelta(days=9)
    waiver = {"environment": "gate", "rule": "required-metrics", "reason": "f1 comes later"}
    answer = rita.post(f"{place}/waivers", {**waiver, "expires_at": until.isoformat()})
    assert answer.status_code == 201, answer.text
    found = rita.get("/v1/models/approved/versions/6/decision?environment=gate").json
    assert found["allowed"], found["reasons"]
    return digest


def _elsewhere(folder: Path, key: SigningKey, curves: Any) -> Forge:
    from tests.conftest import serve
    from tests.world import POLICY

    home = folder / "elsewhere"
    home.mkdir()
    (home / "policy.yaml").write_text(POLICY, "utf-8")
    (folder / "key.pem").write_bytes(key.signer.private_bytes)
    (folder / "key.pem").chmod(0o600)
    service = Gallery(
        serve(
            home / "home",
            "http://127.0.0.1:9",
            POLICY_FILE=str(home / "policy.yaml"),
            SIGNING_KEY=str(folder / "key.pem"),
            STORE_ID="https://another.example.com",
        )
    )
    digest = service.capture(_version("6", curves))
    service.judge("tumour", "6", "lab")
    return _archive(service, digest, key)


def _archive(service: Gallery, digest: str, key: SigningKey) -> Forge:
    answer = Client(service.app, service.token).get(f"/v1/bundles/{digest}/archive")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.data)) as file:
        return Forge({name: file.read(name) for name in file.namelist()}, key)
