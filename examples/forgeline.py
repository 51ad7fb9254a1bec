"""ForgeLine: a defect model trained each month, and a labelling change in the ninth.

    python -m examples.forgeline          # about a minute; files in demo/out/forgeline/
    python -m examples.forgeline --docs   # also writes docs/img/ and what docs/forgeline.md shows

Real parts: an MLflow store in SQLite, scikit-learn, the plugin, the service with its worker, the
command line. Generated are the forgings, from a seed, and the runs' start times: a year of months
would take a year.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd

from examples.stage import answers, environment, free_port

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
MODEL, EXPERIMENT, METRIC = "forgeline-defects", "forgeline-monthly", "recall"
MONTHS = range(1, 13)
LINES = ("A", "B", "C")
FEATURES = ["temperature", "vibration", "hardness", "scale", "line_A", "line_B", "line_C"]
LABELLING = {9: "v2", 10: "v3", 11: "v3", 12: "v3"}
"""By month; `v1` before. v2 reads line C's new grade "R" (rework) as good; v3 mends that."""

POLICY = f"""\
version: 1
environments:
  prod:
    rules:
      - rule: tracked-run
      - rule: required-tags
        tags: [owner, ticket, rollback]
      - rule: metric-threshold
        metric: {METRIC}
        min: 0.8
      - rule: no-regression
        metric: {METRIC}
        baseline: {{alias: production}}
        tolerance: 0.02
        if_no_baseline: pass
"""
GOVERNANCE = {
    "EVIDENCE_OWNER": "quality@forgeline.example",
    "EVIDENCE_ROLLBACK": "set the alias production back to the previous version",
}
SECONDS = 60


def main() -> int:
    """The year; 0 only if month 9 was stopped and month 10 let through."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE.parent / "demo" / "out" / "forgeline")
    parser.add_argument("--docs", action="store_true")
    args = parser.parse_args()
    out = args.out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    os.environ.update(environment(MLFLOW_TRACKING_URI=f"sqlite:///{out / 'mlflow.db'}"))
    os.environ.update(GOVERNANCE)
    with service(out) as place:
        found = year(out, place)
    (out / "case.json").write_text(json.dumps(found, indent=2), "utf-8")
    if args.docs:
        write_docs(out)
    print(f"files are in {out}")
    blocked = [month for month, one in found["months"].items() if not one["allowed"]]
    return 0 if blocked == ["9"] else 1


def year(out: Path, place: dict[str, str]) -> dict:
    """Train, capture, decide; the alias moves to each version that is allowed."""
    from mlflow import MlflowClient

    from mlflow_evidence_plugin.client import EvidenceClient

    registry = MlflowClient()
    registry.create_experiment(EXPERIMENT, (out / "mlruns" / "monthly").as_uri())
    client = EvidenceClient(place["EVIDENCE_URL"], place["EVIDENCE_TOKEN"])
    reference = forgings(2000, 1)
    months = {}
    for month in MONTHS:
        train(registry, month, reference)
        subject = {"model": MODEL, "version": str(month)}
        captured = client.capture(subject)
        assert captured["state"] == "done", captured
        decision = client.decide(subject, "prod")
        months[str(month)] = {"allowed": decision["allowed"], "reasons": decision["reasons"]}
        run = registry.get_run(registry.get_model_version(MODEL, str(month)).run_id)
        value = months[str(month)][METRIC] = run.data.metrics[METRIC]
        print(f"month {month}: {METRIC} {value:.3f}, {decision['status']}")
        if month == 9:
            commands(out, place, "month 9")
        if decision["allowed"]:
            registry.set_registered_model_alias(MODEL, "production", str(month))
    commands(out, place, "month 12")
    client.close()
    return {"months": months, "history": told(out, "history.json")}


def commands(out: Path, place: dict[str, str], when: str) -> None:
    """What somebody types who wants to know, and what it prints."""
    follow = ["history", EXPERIMENT, "--metric", METRIC]
    name = when.replace(" ", "-")
    picture = ["--save", str(out / f"{name}.svg")]
    printed(out, f"history-{name}", place, *follow, *picture, "-o", "table")
    printed(out, "history.json", place, *follow, "-o", "json")
    if when == "month 9":
        ninth = f"models/{MODEL}/9"
        asked = "reasons[].{rule: code, found: found, asked: asked}"
        words = ["decide", ninth, "-e", "prod", "--query", asked, "-o", "table"]
        printed(out, "decide", place, *words)
        both = ["compare", f"models/{MODEL}@production", ninth, "--higher", METRIC]
        printed(out, "compare", place, *both, "-o", "table")


def printed(out: Path, name: str, place: dict[str, str], *words: str) -> None:
    """Keep what a command prints."""
    program = str(Path(sys.executable).with_name("mlflow-evidence"))
    env = environment(**place, COLUMNS="130", PYTHONUTF8="1")
    done = subprocess.run([program, *words], env=env, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    (out / (name if "." in name else f"{name}.txt")).write_text(done.stdout, "utf-8")


def told(out: Path, name: str) -> dict:
    """A document that a command printed."""
    return json.loads((out / name).read_text("utf-8"))


def forgings(count: int, seed: int) -> pd.DataFrame:
    """Parts as the press measures them, and the grade that an inspector gave: G, R or S."""
    made = np.random.default_rng(seed)
    parts = pd.DataFrame(
        {
            "temperature": made.normal(1180, 25, count).round(1),
            "vibration": made.gamma(2, 0.8, count).round(3),
            "hardness": made.normal(52, 2, count).round(2),
            "scale": made.beta(2, 8, count).round(4),
        }
    )
    line = made.integers(len(LINES), size=count)
    parts = parts.assign(**{f"line_{name}": (line == n) * 1.0 for n, name in enumerate(LINES)})
    badness = (
        0.035 * (parts["temperature"] - 1180).abs()
        + 0.7 * parts["vibration"]
        - 0.45 * (parts["hardness"] - 52)
        + 6 * parts["scale"]
        + made.normal(0, 0.45, count)
    )
    parts["grade"] = np.select([badness > 5.2, badness > 3.4], ["S", "R"], "G")
    return parts


def labelled(parts: pd.DataFrame, version: str) -> pd.DataFrame:
    """Grades as labels: scrap and rework are defects. v2 takes line C's rework for good."""
    defect = parts["grade"].isin(["S", "R"])
    if version == "v2":
        defect &= ~((parts["line_C"] == 1) & (parts["grade"] == "R"))
    return parts[FEATURES].assign(defect=defect.astype(int))


def train(registry, month: int, reference: pd.DataFrame) -> None:
    """One monthly training, as any other: nothing in it knows of evidence."""
    import mlflow
    import sklearn
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import precision_score, recall_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    mlflow.set_experiment(EXPERIMENT)
    version = LABELLING.get(month, "v1")
    parts = labelled(forgings(6000, 2025_00 + month), version)
    exam = labelled(reference, "v1")
    os.environ["EVIDENCE_TICKET"] = f"FRG-2025-{month:02}"
    start = int(datetime(2025, month, 1, 6, tzinfo=timezone.utc).timestamp() * 1000)
    experiment = registry.get_experiment_by_name(EXPERIMENT).experiment_id
    name = f"monthly-2025-{month:02}"
    made = registry.create_run(experiment, start_time=start, run_name=name)
    with mlflow.start_run(run_id=made.info.run_id):
        data = mlflow.data.from_pandas(parts, name="forgings", targets="defect")
        mlflow.log_input(data, "training")
        mlflow.log_params({"month": f"2025-{month:02}", "labelling": version, "degree": 2})
        curves = (StandardScaler(), PolynomialFeatures(2), LogisticRegression(max_iter=1000))
        model = make_pipeline(*curves)
        model.fit(parts[FEATURES], parts["defect"])
        guess = model.predict(exam[FEATURES])
        mlflow.log_metric(METRIC, recall_score(exam["defect"], guess))
        mlflow.log_metric("precision", precision_score(exam["defect"], guess))
        mlflow.log_metric("train_defect_rate", float(parts["defect"].mean()))
        mlflow.sklearn.log_model(
            model,
            name="model",
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
            registered_model_name=MODEL,
        )
    registry.set_terminated(made.info.run_id, end_time=start + 300_000)


@contextmanager
def service(out: Path) -> Iterator[dict[str, str]]:
    """The service as `python -m api` starts it, and the variables that lead to it."""
    (out / "policy.yaml").write_text(POLICY, "utf-8")
    port, home = free_port(), out / "service"
    env = environment(
        EVIDENCE_SERVICE_HOME=str(home),
        EVIDENCE_SERVICE_TRACKING_URI=os.environ["MLFLOW_TRACKING_URI"],
        EVIDENCE_SERVICE_POLICY_FILE=str(out / "policy.yaml"),
    )
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "api", "--port", str(port)]
    with (out / "service.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=HERE.parent)
    try:
        until = time.monotonic() + SECONDS
        while not answers(f"{url}/readyz"):
            assert process.poll() is None and time.monotonic() < until, f"see {out}/service.log"
            time.sleep(0.2)
        yield {"EVIDENCE_URL": url, "EVIDENCE_TOKEN": (home / "token").read_text("utf-8").strip()}
    finally:
        process.terminate()
        process.wait(40)


def write_docs(out: Path) -> None:
    """The pictures, and the printed blocks of docs/forgeline.md between their marks."""
    for name in ("month-9", "month-12"):
        shutil.copy(out / f"{name}.svg", DOCS / "img" / f"forgeline-{name}.svg")
    page = DOCS / "forgeline.md"
    text = page.read_text("utf-8")
    for name in re.findall(r"<!-- printed: (\S+) -->", text):
        lines = (out / f"{name}.txt").read_text("utf-8").splitlines()
        block = "\n".join(["```text", *(line.rstrip() for line in lines), "```"])
        before, mark, after = text.partition(f"<!-- printed: {name} -->\n")
        text = before + mark + block + after.split("\n```", 1)[1]
    page.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
