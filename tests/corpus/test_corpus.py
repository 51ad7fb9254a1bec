"""Each of the corpus is refused with the code that its name says, soon, and in little memory."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlflow_evidence_plugin.cli.exits import exit_code
from mlflow_evidence_plugin.cli.main import add_commands, cli
from mlflow_evidence_plugin.errors import EvidenceError, by_code
from mlflow_evidence_plugin.signing import Keyring
from mlflow_evidence_plugin.verify import Expected, verify_archive
from tests.corpus.ended import ENDED
from tests.corpus.forge import Forge
from tests.corpus.good import World, made
from tests.corpus.held import HELD, honest
from tests.corpus.people import PEOPLE
from tests.corpus.shaped import SHAPED
from tests.corpus.signed import SIGNED

PARTS = (SIGNED, HELD, SHAPED, ENDED, PEOPLE)
CORPUS = {name: case for part in PARTS for name, case in part.items()}
SECONDS = 5
MEMORY = 1 << 30
PROCESSES = (
    "bad-archive__compressed-bomb",
    "bad-archive__directory-of-millions",
    "bad-archive__pipe",
    "bad-ledger__deep-nesting-in-the-chain",
    "bad-signature__flipped-byte-in-payload",
    "bad-verdict__passed-against-the-policy",
    "no-trust__no-key",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    found = made(tmp_path_factory.mktemp("corpus"))
    yield found
    # Python's own way goes down by calling itself, and some folders here have no end.
    subprocess.run(["rm", "-rf", found.folder], check=True)


def command(world: World, name: str, case) -> list[str]:
    """The case as a file that bears its name, and what `verify` is told."""
    found = case(world)
    content, *told = found if isinstance(found, tuple) else (found,)
    if isinstance(content, Forge):
        content = content.zip()
    if isinstance(content, bytes):
        end = ".json" if content[:1] == b"{" else ".evidence.zip"
        content = world.given(name + end, content)
    if "--no-keys" in told:
        told = []
    elif not {"--key", "--trust"} & set(told):
        told += ["--trust", str(world.trust)]
    return ["verify", str(content), *told, "-o", "json"]


def refusal(capsys, args: list[str]) -> tuple[str | None, int]:
    """The code of the first thing that was refused, and the exit code."""
    add_commands()
    try:
        cli.main(args, standalone_mode=False)
    except SystemExit as ended:
        checks = json.loads(capsys.readouterr().out)["checks"]
        return next(one["code"] for one in checks if not one["passed"]), ended.code
    except EvidenceError as error:
        return error.code, exit_code(error)
    return None, 0


@pytest.fixture
def in_time():
    def late(*_):
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_the_corpus_is_large():
    assert len(CORPUS) == sum(map(len, PARTS)) >= 60


@pytest.mark.parametrize("which", ["good", "denied", "stale", "other", "erased", "approved"])
def test_what_the_corpus_is_made_from_holds(world, which, capsys):
    forge = getattr(world, which)
    told = ("--key", str(world.pem))
    assert refusal(capsys, command(world, which, lambda w: (forge, *told))) == (None, 0)
    again = forge.copy().relog(forge.envelopes())
    args = command(world, f"{which}-again", lambda w: (again, *told))
    assert refusal(capsys, args) == (None, 0)


def test_what_is_said_to_be_left_out_honestly_holds(world, capsys):
    assert refusal(capsys, command(world, "left-out", honest)) == (None, 0)


@pytest.mark.parametrize("name", CORPUS)
def test_it_is_refused_with_its_code(world, name, capsys, in_time):
    code = name.split("__")[0]
    args = command(world, name, CORPUS[name])
    assert refusal(capsys, args) == (code, exit_code(by_code(code)("")))


def test_without_a_count_a_bare_key_does_not_see_that_the_end_was_cut_off(world):
    """The trust document says that there should be one; of an old archive nobody says it."""
    cut = CORPUS["bad-ledger__end-cut-off-and-the-count-removed"](world)
    path = world.given("cut.zip", cut.zip())
    trusted = Keyring.of([world.key.public_pem])
    report = verify_archive(path, trusted, Expected("2100-01-01T00:00:00.000Z"))
    assert report.passed
    assert any("the end: statements that were signed after number 14" in x for x in report.unproven)


def test_an_archive_from_before_the_log_counted_holds_still(world):
    forge = world.good.copy()
    del forge.members["ledger/count"]
    path = world.given("before.zip", forge.zip())
    document = json.loads(world.trust.read_bytes())
    size = int(forge.members["ledger/checkpoint"].decode().split("\n")[1])
    for since, passed in ((size, True), (size - 1, False)):
        told = json.dumps(document | {"counts_from": since}).encode()
        report = verify_archive(path, Keyring.of([], [told]), Expected("2100-01-01T00:00:00.000Z"))
        assert report.passed is passed
        assert any(one.startswith("the end") for one in report.unproven)


def test_processes_end_with_that_code_in_little_time_and_memory(world):
    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(PROCESSES, pool.map(lambda n: run(world, n), PROCESSES), strict=True))
    assert {name: one.returncode for name, one in done.items()} == dict.fromkeys(PROCESSES, 3)
    for name, one in done.items():
        assert "Traceback" not in one.stderr
        if one.stdout:
            assert name.split("__")[0] in {c["code"] for c in json.loads(one.stdout)["checks"]}


def run(world: World, name: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "mlflow-evidence"
    args = [program, *command(world, f"{name}-apart", CORPUS[name])]
    return subprocess.run(args, capture_output=True, text=True, timeout=30, preexec_fn=_limited)


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
