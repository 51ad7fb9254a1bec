"""The service's use cases on a workspace: the unmodified client, in this process."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from types import SimpleNamespace

import pytest

from .conftest import NEEDS_AZUREML, job
from .direct import bare_run
from .names import SCOPE, SHORT_SCOPE
from .test_stamping import TRAIN
from .world import FILES, MODEL, MODEL_FILES

pytestmark = NEEDS_AZUREML


@pytest.fixture(scope="module")
def service(workspace, world, in_workspace, tmp_path_factory) -> SimpleNamespace:
    """`capture(**subject)`: the evidence, as a document."""
    from mlflow_evidence_plugin.service import CaptureRequest
    from mlflow_evidence_plugin.settings import Settings
    from mlflow_evidence_plugin.storage import Principal
    from mlflow_evidence_plugin.wiring import build, prepare

    home = tmp_path_factory.mktemp("home")
    named = {"EVIDENCE_SERVICE_HOME": str(home), "EVIDENCE_SERVICE_TRACKING_URI": workspace.uri}
    settings = Settings.read(named)
    prepare(settings)
    evidence = build(settings)
    me = Principal("tester", ("admin",), ("*",), ("*",), "tester")

    def capture(**subject):
        order = evidence.capture(CaptureRequest(**subject), me)
        ended = evidence.capturing.perform(order.id)
        assert ended.record_digest, (ended.error_detail, ended.error_mend)
        text = evidence.bundle(ended.record_digest, me).document()
        assert workspace.secret not in str(text)
        return json.loads(text)["record"]

    yield SimpleNamespace(capture=capture, evidence=evidence, me=me)
    evidence.capturing.database.dispose()


def digests(section):
    return {path: fact["value"]["sha256"] for path, fact in section["facts"].items()}


def expected(files):
    return {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}


def test_a_run_is_captured_whole(service, world):
    found = service.capture(run_id=world.finished)
    assert found["gaps"] == []
    assert digests(found["outputs"]) == expected(FILES)
    assert found["metrics"]["facts"]["auc"]["value"]["step"] == 2
    assert found["history"]["facts"]["auc"]["value"]["count"] == 3
    assert found["parameters"]["facts"]["depth"]["value"] == "3"
    assert found["governance"]["facts"]["owner"]["value"] == "ana"
    assert found["governance"]["facts"]["azureml.job"]["value"].startswith("https://ml.azure.com/")
    assert found["run"]["facts"]["status"]["value"] == "FINISHED"
    assert {"models/credit/1", "models/credit/2"} <= set(found["models"]["facts"])


@pytest.mark.parametrize("subject", [{"run_id": "finished"}, {"model": MODEL, "version": "1"}])
def test_an_archive_has_the_files_of_a_run_and_of_a_model(service, world, subject):
    if "run_id" in subject:
        subject = {"run_id": world.finished}
    found = service.capture(**subject)
    bundle = service.evidence.named(subject, service.me)
    _, pieces = service.evidence.archive(bundle.digest, service.me, artifacts=1 << 20)
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        names = set(archive.namelist())
        assert json.loads(archive.read("archive.json"))["omitted"] == []
    files = digests(found["outputs"]) | digests(found.get("model_files", {"facts": {}}))
    assert files
    assert {f"materials/sha256/{sha256}" for sha256 in files.values()} <= names


def test_a_run_that_the_platform_has_not_ended_is_captured_as_such(service, world):
    found = service.capture(run_id=world.running)
    assert found["gaps"] == []
    assert found["run"]["facts"]["status"]["value"] == "RUNNING"
    assert "ended" not in found["run"]["facts"]
    assert "absent" in found["outputs"]


def test_a_job_that_has_ended_its_training_is_captured_with_its_page(run, service, workspace):
    run_id = bare_run(workspace)
    done = run(TRAIN, {**job(workspace, run_id), "EVIDENCE_TICKET": "CHG-7"})
    assert done.code == 0, done.err
    found = service.capture(run_id=run_id)
    assert found["gaps"] == []
    assert found["run"]["facts"]["status"]["value"] == "RUNNING"
    said = {name: fact["value"] for name, fact in found["governance"]["facts"].items()}
    assert (said["stamped_by"], said["ticket"]) == ("resume", "CHG-7")
    assert said["azureml.job"] == f"https://ml.azure.com/runs/{run_id}?wsid={SHORT_SCOPE}"
    assert set(found["outputs"]["facts"]) == {"report.md"}


@pytest.mark.parametrize("subject", [{"version": "1"}, {"version": "2"}, {"alias": "champion"}])
def test_versions_of_a_run_are_captured_with_it(service, world, subject):
    found = service.capture(model=MODEL, **subject)
    assert found["gaps"] == []
    assert set(digests(found["model_files"])) == MODEL_FILES
    assert digests(found["outputs"]) == expected(FILES)
    assert found["run"]["facts"]["run_id"]["value"] == world.finished


def test_a_version_without_a_run_has_the_files_below_its_location_alone(service):
    found = service.capture(model=MODEL, version="3")
    model = {name: FILES[f"model/{name}"] for name in MODEL_FILES}
    assert found["gaps"] == []
    assert digests(found["model_files"]) == expected(model)


def test_a_version_that_was_registered_from_a_disk_is_captured(service):
    found = service.capture(model=MODEL, version="4")
    assert found["gaps"] == []
    assert digests(found["model_files"]) == expected({"MLmodel": "m", "sub/weights.bin": "w"})


def test_a_run_costs_one_listing(service, world, workspace):
    workspace.asked.clear()
    service.capture(run_id=world.finished)
    assert len([one for one in workspace.asked if one.path.endswith("/artifacts")]) == 1


def test_what_the_workspace_does_not_have_is_not_asked_for(service, world, workspace):
    workspace.asked.clear()
    service.capture(model=MODEL, version="1")
    asked = [one for one in workspace.asked if "/mlflow/" in one.path]
    assert asked
    assert [one.path for one in asked if one.status >= 400] == []


@pytest.mark.parametrize(
    ("location", "within"),
    [
        (f"azureml://westeurope.api.azureml.ms/mlflow/v1.0{SCOPE}/experiments/1/runs/r", True),
        (f"azureml://other.host/mlflow/v2.0{SCOPE.lower()}/experiments/1/runs/r", True),
        ("azureml://artifacts/LocalUpload/x/model", True),
        (f"azureml://h/mlflow/v2.0{SCOPE}-2/experiments/1/runs/r", False),
        (f"azureml://h/mlflow/v2.0{SCOPE.replace('1111', '9999')}/experiments/1/runs/r", False),
        (f"azureml://h/mlflow/v2.0{SCOPE}/experiments/1/runs/../../..", False),
        (f"azureml://h/mlflow/v2.0{SCOPE}/experiments/1/runs/r?token=x", False),
        ("azureml://h/mlflow/v2.0/registries/r/models/m/versions/1/storage/s/paths/a/b", False),
        ("azureml://artifacts/../x", False),
        ("https://doublestore.blob.core.windows.net/azureml/x", False),
    ],
)
def test_only_the_workspace_is_followed(workspace, location, within):
    from mlflow_evidence_plugin.collect import Roots

    assert Roots.of_store(workspace.uri).allow(location) is within


def test_links_that_are_written_back_change_no_evidence(service, world):
    from mlflow_evidence_plugin.service.linking import Linking

    before = service.capture(model=MODEL, version="1")
    capturing = service.evidence.capturing
    digest = service.evidence.named({"model": MODEL, "version": "1"}, service.me).digest
    verdict = {"record": digest, "environment": "prod", "status": "passed", "subject": "credit/1"}
    Linking(capturing.store, capturing.bundles, None).link(verdict, "sha256:" + "0" * 64)
    tags = capturing.store.client.get_model_version(MODEL, "1").tags
    assert tags["evidence.link.record"] == digest
    assert tags["evidence.link.decision.prod"] == "passed sha256:" + "0" * 64
    assert service.capture(model=MODEL, version="1") == before
