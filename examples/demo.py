"""The whole product on real parts, in about a minute: `make demo`.

A real MLflow server, a training script that knows nothing of evidence, the plugin, the service,
a good version allowed, a regressed one blocked, and evidence that outlives its run.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import requests
from mlflow import MlflowClient
from rich.table import Table
from rich.text import Text

from examples.stage import (
    HERE,
    OUT,
    DemoFailed,
    console,
    database,
    environment,
    mlflow_server,
    need,
    service,
    step,
)
from mlflow_evidence_plugin.client import EvidenceClient
from mlflow_evidence_plugin.errors import EvidenceError
from mlflow_evidence_plugin.render import decision_rows, summary_rows

MODEL = "tumour"
MONTHS = ("2026-01", "2026-02", "2026-03", "2026-04", "2026-05", "2026-06")
SPOILT = {"2026-06": ["--flip-labels", "0.35"]}


def main() -> int:
    """Run it all; 0 only if everything happened as promised."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    started = time.monotonic()
    with mlflow_server() as tracking_uri, database() as url, service(tracking_uri, url) as client:
        train(tracking_uri)
        registry = MlflowClient(tracking_uri)
        told = check_stamps(registry)
        told += release(client, registry)
        told += outlive(client, registry, tracking_uri)
    told.append(f"took {time.monotonic() - started:.0f} s; files are in demo/out/")
    (OUT / "summary.md").write_text(
        "# What happened\n\n" + "".join(f"- {one}\n" for one in told), "utf-8"
    )
    console.rule("[bold]What happened")
    for one in told:
        console.print(f"  • {one}", markup=False)
    return 0


def train(tracking_uri: str) -> None:
    """Six monthly runs of an unmodified script; the labels of the sixth are spoilt."""
    step("Six monthly trainings; examples/train.py imports nothing of ours")
    for number, month in enumerate(MONTHS, 1):
        env = environment(
            MLFLOW_TRACKING_URI=tracking_uri,
            EVIDENCE_TICKET=f"CHG00{number}",
            PYTHONWARNINGS="ignore",
        )
        command = [sys.executable, str(HERE / "train.py"), "--month", month, *SPOILT.get(month, [])]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        (OUT / f"train-{month}.log").write_text(done.stdout + done.stderr, "utf-8")
        need(done.returncode == 0, f"training {month} failed: see demo/out/train-{month}.log")
        console.print(f"  {month}: registered version {number}")


def check_stamps(registry: MlflowClient) -> list[str]:
    """Every run carries its governance context."""
    step("What the plugin stamped on the last run")
    runs = [registry.get_run(version_of(registry, n).run_id) for n in range(1, len(MONTHS) + 1)]
    for key in sorted(tags := runs[-1].data.tags):
        if key.startswith("evidence."):
            console.print(f"  {key} = {tags[key]}", markup=False)
    need(all(run.data.tags.get("evidence.owner") for run in runs), "a run was not stamped")
    return [f"{len(runs)} runs stamped with owner, ticket, rollback …; no training code changed"]


def release(client: EvidenceClient, registry: MlflowClient) -> list[str]:
    """Version 5 against version 4, and, once 5 is in production, version 6 against it."""
    step("Evidence captured over REST")
    for number in (4, 5, 6):
        captured = client.capture({"model": MODEL, "version": str(number)})
        need(captured["state"] == "done", f"capture of version {number}: {captured}")
        console.print(f"  version {number}: {captured['digest']}")
    registry.set_registered_model_alias(MODEL, "production", "4")
    good = decide(client, 5)
    need(good["allowed"], "version 5 should have been allowed")
    registry.set_registered_model_alias(MODEL, "production", "5")
    bad = decide(client, 6)
    need(not bad["allowed"], "version 6 should have been blocked")
    codes = ", ".join(one["code"] for one in bad["reasons"])
    return ["version 5 allowed into prod", f"version 6 blocked: {codes}"]


def outlive(client: EvidenceClient, registry: MlflowClient, tracking_uri: str) -> list[str]:
    """Delete the sixth run for good; its evidence is still served, and verifies offline."""
    step("Run 6 is deleted from MLflow, for good")
    run_id = version_of(registry, 6).run_id
    registry.delete_run(run_id)
    command = [sys.executable, "-m", "mlflow", "gc", "--run-ids", run_id]
    command += ["--backend-store-uri", f"sqlite:///{OUT / 'mlflow' / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(OUT / "mlflow" / "artifacts")]
    env = environment(MLFLOW_TRACKING_URI=tracking_uri)
    subprocess.run(command, env=env, check=True, capture_output=True)
    gone = requests.get(
        f"{tracking_uri}/api/2.0/mlflow/runs/get", params={"run_id": run_id}, timeout=30
    )
    need(gone.status_code == 404, f"the run is still there: {gone.text[:200]}")
    console.print(f"  MLflow: {gone.json()['message']}", markup=False)
    evidence = client.evidence({"model": MODEL, "version": "6"})
    show(summary_rows(json.loads(evidence)))
    told = ["run 6 is gone from MLflow; its evidence is served, and verifies"]
    return told + verify_offline(client, json.loads(evidence)["digest"])


def verify_offline(client: EvidenceClient, digest: str) -> list[str]:
    """The archive of version 6, with the public key alone; a tampered copy; other people's eyes."""
    step("Its archive, verified offline with the public key alone")
    file, key = OUT / "version-6.evidence.zip", OUT / "service" / "public-key.pem"
    file.write_bytes(b"".join(client.archive(digest)))
    program = str(Path(sys.executable).with_name("mlflow-evidence"))
    verify = [program, "verify", str(file), "--key", str(key), "-o", "table"]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    console.print(done.stdout.rstrip(), markup=False)
    need(done.returncode == 0, f"the archive does not verify: {done.stderr}")
    need("failed, derived again" in done.stdout, "the blocked verdict was not derived again")
    tampered = OUT / "tampered.evidence.zip"
    tampered.write_bytes(file.read_bytes().replace(b'"alpha"', b'"omega"'))
    verify[2] = str(tampered)
    refused = subprocess.run(verify, capture_output=True, check=False).returncode
    need(refused == 3, "a tampered copy was not refused")
    told = ["version 6's block is derived again offline, from its archive alone"]
    return [*told, "a tampered copy is refused", *by_others(file, key)]


def by_others(archive: Path, key: Path) -> list[str]:
    """sigstore-js verifies every statement too, where there is Node and it is installed."""
    script = HERE.parent / "tests" / "interop" / "verify.cjs"
    if not shutil.which("node") or not (script.parent / "node_modules").exists():
        return []
    step("The same statements, verified by sigstore-js")
    with zipfile.ZipFile(archive) as file:
        names = [name for name in file.namelist() if name.endswith(".sigstore.json")]
        file.extractall(OUT / "unpacked")
    command = ["node", str(script), str(key), *(str(OUT / "unpacked" / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    need(done.returncode == 0, f"sigstore-js refuses a statement: {done.stdout}{done.stderr}")
    for name in names:
        console.print(f"  {name}: verified", markup=False)
    return [f"sigstore-js verifies all {len(names)} statements as well"]


def decide(client: EvidenceClient, number: int) -> dict[str, object]:
    """One decision, shown and kept."""
    step(f"May version {number} go into prod?")
    decision = client.decide({"model": MODEL, "version": str(number)}, "prod")
    (OUT / f"decision-{number}.json").write_text(json.dumps(decision, indent=2), "utf-8")
    show(decision_rows(decision))
    return decision


def version_of(registry: MlflowClient, number: int):
    """A version of the demo's model."""
    return registry.get_model_version(MODEL, str(number))


def show(rows: list[tuple[str, str]]) -> None:
    """Rows of label and value."""
    table = Table(box=None, show_header=False, padding=(0, 2))
    for label, value in rows:
        table.add_row(Text(label, style="bold"), Text(value, overflow="fold"))
    console.print(table)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (DemoFailed, EvidenceError) as error:
        console.print(f"\nThe demo failed: {error}", style="bold red", markup=False)
        sys.exit(1)
