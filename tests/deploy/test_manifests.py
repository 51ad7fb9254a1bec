"""deploy/: valid, hardened, and in line with what the code reads and does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from api import __main__ as service
from mlflow_evidence_plugin.policy import parse
from mlflow_evidence_plugin.settings import PREFIX, SCRATCH_BYTES, Settings

from .dockerfile import ROOT, stages

DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "kubernetes/base"
OVERLAY = DEPLOY / "kubernetes/azure-workload-identity"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
IMAGE = stages((ROOT / "Dockerfile").read_text())[-1]
KUBERNETES = "1.34"
UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def kustomization(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return found


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


OBJECTS = [one for name in kustomization(BASE)["resources"] for one in documents(BASE / name)]
PODS = {o["metadata"]["name"]: o["spec"]["template"] for o in OBJECTS if o["kind"] == "Deployment"}
CONTAINERS = {
    f"{pod}/{one['name']}": one
    for pod, template in PODS.items()
    for kind in ("initContainers", "containers")
    for one in template["spec"][kind]
}


def settings_env() -> dict[str, str]:
    lines = (BASE / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def size(text: str) -> int:
    return int(text[:-2]) * UNITS[text[-2:]]


# Both


def test_every_setting_that_is_set_is_one_that_is_read():
    known = {PREFIX + name.upper() for name in Settings.__dataclass_fields__}
    files = [p for p in DEPLOY.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    for path in [ROOT / "Dockerfile", *files]:
        used = set(re.findall(rf"{PREFIX}[A-Z_]+", path.read_text()))
        assert used <= known, (path, used - known)


@pytest.mark.parametrize(
    "env",
    [COMPOSE["services"]["web"]["environment"], settings_env()],
    ids=["compose", "kubernetes"],
)
def test_the_settings_can_be_read(env):
    found = Settings.read({**IMAGE.last("ENV").pairs(), **env})
    found.need_store()
    assert str(found.home) == IMAGE.last("VOLUME").text
    assert found.database_url.startswith("postgresql://")
    assert found.store_id != found.tracking_uri, "an address may change; a name stays"


def test_no_value_is_a_password():
    for path in DEPLOY.rglob("*.*"):
        text = path.read_text()
        assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", text), path
        assert not re.search(r"(?i)password: *\w", text), path


# Compose


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_compose_service_is_hardened(name):
    one = COMPOSE["services"][name]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert re.search(r":(v?\d+\.\d+[\w.-]*|\$\{EVIDENCE_VERSION:-\d+\.\d+\.\d+\})$", one["image"])
    root = one["user"].startswith("0:")
    assert not root or (one["cap_add"] == ["CHOWN"] and one["restart"] == "no"), "one-shot only"
    assert all(port.startswith("127.0.0.1:") for port in one.get("ports", []))


def test_what_compose_refers_to_exists():
    for one in COMPOSE["services"].values():
        assert set(one.get("depends_on", {})) <= set(COMPOSE["services"])
        assert set(one.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert {c["source"] for c in one.get("configs", [])} <= set(COMPOSE["configs"])
        named = {v.split(":")[0] for v in one.get("volumes", [])}
        assert named <= set(COMPOSE["volumes"])
    policy = COMPOSE["configs"]["policy"]["file"].removeprefix("${EVIDENCE_POLICY:-").rstrip("}")
    assert parse((DEPLOY / policy).read_bytes())


def test_compose_has_no_default_secret():
    for one in COMPOSE["secrets"].values():
        assert re.match(r"\$\{EVIDENCE_SECRETS:\?[^}]*operate\.md\}/", one["file"])


def test_compose_gives_time_to_stop_and_waits_for_health():
    for role in ("web", "worker"):
        one = COMPOSE["services"][role]
        assert one["command"] == [role]
        assert role in service.main.commands
        assert int(one["stop_grace_period"].rstrip("s")) > service.GRACE + 5
        assert one["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert all("healthcheck" in COMPOSE["services"][name] for name in ("postgres", "mlflow"))
    assert COMPOSE["services"]["web"]["ports"][0].endswith(":" + IMAGE.last("EXPOSE").text)


def test_mlflow_lets_the_service_in():
    flag = next(a for a in COMPOSE["services"]["mlflow"]["command"] if "allowed-hosts" in a)
    uri = COMPOSE["services"]["web"]["environment"][PREFIX + "TRACKING_URI"]
    assert uri.removeprefix("http://") in flag.partition("=")[2].split(",")


# Kubernetes


@pytest.mark.parametrize(
    "one",
    [*OBJECTS, *documents(DEPLOY / "kubernetes/secret.example.yaml")],
    ids=lambda o: f"{o['kind']}-{o['metadata']['name']}",
)
def test_the_schema_of_kubernetes_holds(one):
    kubernetes_validate.validate(one, KUBERNETES, strict=True)


def test_no_namespace_is_prescribed():
    assert all("namespace" not in one["metadata"] for one in OBJECTS)


def test_kustomize_takes_every_file_and_not_the_example():
    listed = kustomization(BASE)
    files = {p.name for p in BASE.iterdir()} - {"kustomization.yaml"}
    generated = [n for g in listed["configMapGenerator"]
                 for n in g.get("envs", []) + g.get("files", [])]  # fmt: skip
    assert files == {*listed["resources"], *generated}
    assert parse((BASE / "policy.yaml").read_bytes())


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_hardened(name):
    spec = PODS[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    secure = spec["securityContext"]
    assert secure["runAsNonRoot"] is True
    assert f"{secure['runAsUser']}:{secure['runAsGroup']}" == IMAGE.last("USER").text
    assert secure["seccompProfile"] == {"type": "RuntimeDefault"}
    for volume in spec["volumes"]:
        assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"]


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_hardened(name):
    one, pod = CONTAINERS[name], PODS[name.split("/")[0]]
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert one["resources"]["requests"]["memory"] and one["resources"]["limits"]["memory"]
    assert {m["name"] for m in one["volumeMounts"]} <= {v["name"] for v in pod["spec"]["volumes"]}


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_role_is_run_as_the_image_runs_it(role):
    pod = PODS[f"mlflow-evidence-{role}"]["spec"]
    one = CONTAINERS[f"mlflow-evidence-{role}/{role}"]
    assert "command" not in one, "the image's entrypoint"
    assert one["args"] == [role]
    hook = int(one["lifecycle"]["preStop"]["exec"]["command"][1]) if "lifecycle" in one else 0
    assert pod["terminationGracePeriodSeconds"] > service.GRACE + 5 + hook
    written = {m["mountPath"] for m in one["volumeMounts"] if not m.get("readOnly")}
    assert written == {IMAGE.last("VOLUME").text, "/tmp"}
    env = settings_env()
    for path in (env[PREFIX + "POLICY_FILE"], env[PREFIX + "SIGNING_KEY"], env["PGPASSFILE"]):
        assert any(path.startswith(m["mountPath"] + "/") for m in one["volumeMounts"]), path


def test_the_probes_are_what_the_code_serves():
    from api.app import create_app

    routes = {rule.rule for rule in create_app(None).url_map.iter_rules()}
    web = CONTAINERS["mlflow-evidence-web/web"]
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert web[kind]["httpGet"]["path"] in routes
    assert web["livenessProbe"]["httpGet"]["path"] == "/livez", "a dead database is no reason"
    assert str(web["ports"][0]["containerPort"]) == IMAGE.last("EXPOSE").text
    worker = CONTAINERS["mlflow-evidence-worker/worker"]
    assert worker["readinessProbe"]["exec"]["command"] == IMAGE.last("HEALTHCHECK").command()


def test_a_worker_has_room_for_its_downloads():
    volumes = {v["name"]: v for v in PODS["mlflow-evidence-worker"]["spec"]["volumes"]}
    scratch = int(settings_env()[PREFIX + "SCRATCH_BYTES"])
    assert SCRATCH_BYTES <= scratch < size(volumes["tmp"]["emptyDir"]["sizeLimit"])


def test_selectors_find_the_pods():
    labels = [template["metadata"]["labels"] for template in PODS.values()]
    for one in OBJECTS:
        spec = one.get("spec", {})
        said = spec.get("selector") or spec.get("podSelector")
        if said:
            wanted = said.get("matchLabels", said)
            assert any(wanted.items() <= have.items() for have in labels), one["metadata"]


def test_the_overlay_is_beside_its_base_and_patches_what_is_there():
    # kustomize refuses an overlay that lies inside its own base.
    found = kustomization(OVERLAY)
    assert [(OVERLAY / name).resolve() for name in found["resources"]] == [BASE]
    kinds = {one["kind"] for one in OBJECTS}
    operations = [yaml.safe_load(p["patch"])[0] for p in found["patches"]]
    assert {p["target"]["kind"] for p in found["patches"]} <= kinds
    label = operations[1]["path"].rsplit("/", 1)[1].replace("~1", "/")
    assert (label, operations[1]["value"]) == ("azure.workload.identity/use", "true")
    generated = {g["name"] for g in kustomization(BASE)["configMapGenerator"]}
    assert {g["name"] for g in found["configMapGenerator"]} <= generated
