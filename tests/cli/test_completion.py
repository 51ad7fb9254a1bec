"""Completion, in a real shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
ASK = """
eval "$(mlflow-evidence completion bash)"
complete -p mlflow-evidence >&2 || exit 9
COMP_WORDS=({words}) COMP_CWORD={at}
_mlflow_evidence_completion mlflow-evidence
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def bash(script: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    words = ["bash", "--norc", "--noprofile", "-c", script]
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["inv"], {"inventory"}),
        (["run", "''"], {"list", "show", "download", "environment"}),
        (["run", "list", "--ex"], {"--experiment"}),
        (["run", "list", "--status", "fin"], {"finished"}),
        (["store", "show", "-o", "t"], {"table", "tsv"}),
        (["completion", "''"], {"bash", "zsh", "fish"}),
        (["store", "show", "--no-such"], set()),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_bash_completes(typed, offered):
    words = " ".join(["mlflow-evidence", *typed])
    done = bash(ASK.format(words=words, at=len(typed)))
    assert "complete -o nosort -F _mlflow_evidence_completion mlflow-evidence" in done.stderr
    assert set(done.stdout.split()) == offered


def test_completing_imports_no_mlflow_and_takes_no_second():
    program = "import sys; sys.modules['mlflow'] = None; sys.argv[0] = 'mlflow-evidence'\n"
    program += "from mlflow_evidence_plugin.cli.main import main; main()"
    env = {"COMP_WORDS": "mlflow-evidence mo", "COMP_CWORD": "1"}
    env["_MLFLOW_EVIDENCE_COMPLETE"] = "bash_complete"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (0, "plain,model\n"), done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(az, shell):
    done = az("completion", shell)
    assert done.code == 0
    assert "_MLFLOW_EVIDENCE_COMPLETE" in done.out and f"{shell}_complete" in done.out


def test_another_shell_has_none(az):
    assert az("completion", "cmd").code == 2
