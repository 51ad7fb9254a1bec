"""`python -m tests.fuzz 120`: schemathesis against a real service for that many seconds.

The tracking server is real and healthy, so that no 5xx may be seen at all.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tests.contract.checked import contract
from tests.faults.processes import running
from tests.servers import mlflow_server
from tests.world import POLICY, Maker

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)
CONFIG = """\
color = false
[phases.stateful]
enabled = false
"""


def main(seconds: int) -> int:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        (folder / "policy.yaml").write_text(POLICY, "utf-8")
        with mlflow_server(folder / "mlflow") as url:
            known = _world(url)
            env = {"TRACKING_URI": url, "POLICY_FILE": str(folder / "policy.yaml")}
            with running(folder / "home", **env) as service:
                for subject in ({"run_id": known["run_id"]}, {"model": "credit", "version": "1"}):
                    service.post("/v1/captures", subject, wait=30)
                found = _fuzz(folder, service.url, service.token, known, seconds)
                # One that it has not heard of: what it knew it may have erased.
                spare = {"run_id": Maker(url).run(experiment="spare")}
                served = service.post("/v1/captures", spare, wait=30)
                if served["state"] != "done":
                    print(f"after the fuzzing the service no longer captures: {served}")
                    return 1
                return found


def _world(url: str) -> dict[str, str]:
    maker = Maker(url)
    run_id = maker.run()
    maker.version("credit", run_id)
    maker.client.set_registered_model_alias("credit", "production", "1")
    return {"run_id": run_id, "name": "credit", "version": "1", "alias": "production"}


def _fuzz(folder: Path, url: str, token: str, known: dict[str, str], seconds: int) -> int:
    # Names that exist, as examples: random ones hardly ever get past "not found".
    document = contract()
    for item in document["paths"].values():
        for parameter in item.get("parameters", []):
            if parameter["name"] in known:
                parameter["schema"]["examples"] = [known[parameter["name"]]]
        for operation in item.values():
            if isinstance(operation, dict):
                # With a default, every status would count as documented.
                operation["responses"].pop("default", None)
    (folder / "openapi.yaml").write_text(yaml.safe_dump(document), "utf-8")
    (folder / "schemathesis.toml").write_text(CONFIG, "utf-8")
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        *("--config-file", str(folder / "schemathesis.toml")),
        *("run", str(folder / "openapi.yaml"), "--url", url),
        *("--header", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS)),
        *("--max-time", str(seconds), "--continue-on-failure", "--warnings", "off"),
        *("--request-timeout", "40", "--suppress-health-check", "all"),
    ]
    env = {**os.environ, "NO_PROXY": "*", "HYPOTHESIS_STORAGE_DIRECTORY": str(folder)}
    return subprocess.run(command, cwd=folder, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 120))
