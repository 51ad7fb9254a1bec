"""A verdict of one container, derived again in another from its archive alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from .sandbox import Running, Sandbox

SERVICE = "http://127.0.0.1:8080"
SECONDS = 60
POLICY = """\
version: 1
environments:
  prod:
    rules:
      - {rule: metric-threshold, metric: auc, min: 0.9}
      - {rule: no-regression, metric: auc, baseline: previous, if_no_baseline: pass}
      - {rule: expression, expression: 'metrics["auc"] < 0.99', severity: warn}
  strict:
    rules:
      - {rule: approvals, roles: [risk]}
"""
VERSION, ARCHIVE = "models/credit/1", "credit-1.evidence.zip"


def judged(running: Running, home: Path, inside: str) -> None:
    """Ask for a pass and for a denial with the command line, and take the archive."""
    asks = {"EVIDENCE_URL": SERVICE, "EVIDENCE_TOKEN": (home / "token").read_text().strip()}
    for environment, code in (("prod", 0), ("strict", 1)):
        done = running.exec(["mlflow-evidence", "decide", VERSION, "-e", environment], **asks)
        if done.returncode != code:
            raise SystemExit(f"decide for {environment}: {done.stdout}{done.stderr}")
    save = ["mlflow-evidence", "archive", VERSION, "--save", f"{inside}/{ARCHIVE}"]
    if (done := running.exec(save, **asks)).returncode:
        raise SystemExit(f"archive: {done.stdout}{done.stderr}")


def derived_again(sandbox: Sandbox, folder: Path) -> None:
    """On what is as good as another machine: no store, no database, no service, no network."""
    taken, log = folder / "taken", folder / "verify.log"
    taken.mkdir()
    for name in (ARCHIVE, "public-key.pem"):
        shutil.copyfile(folder / "home" / name, taken / name)
    taken.chmod(0o755)
    (sandbox.root / "taken").mkdir()
    verify = ["mlflow-evidence", "verify", f"/taken/{ARCHIVE}", "--key", "/taken/public-key.pem"]
    with sandbox.started(verify, "12345", {taken: "/taken"}, log, HOME="/tmp") as running:
        code = running.process.wait(SECONDS)
    said = log.read_text()
    if code or not all(f"{one}, derived again" in said for one in ("passed", "failed")):
        raise SystemExit(f"the archive is not derived again ({code}):\n{said[-3000:]}")
