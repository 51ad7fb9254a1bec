"""`mlflow run` of a project which runs another one."""

import subprocess
import sys
from pathlib import Path

project = str(Path(__file__).parent / "project")
command = [sys.executable, "-m", "mlflow", "run", project, "--env-manager", "local"]
subprocess.run([*command, "-P", "alpha=0.1"], check=True)
