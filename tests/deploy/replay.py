"""`make image-check`: builds the image's file system and runs it, without a container engine.

The Dockerfile's own steps are carried out in a clean root; then each role is started in it as the
image says: its user, its entrypoint, its health check, a read-only root. See sandbox.py for what
this cannot show.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from . import elsewhere
from .dockerfile import ROOT, Context, Instruction, Stage, expand, stages
from .sandbox import Running, Sandbox, base_image

HEALTHY_SECONDS = 60
NOT_ALLOWED = ("pip", "setuptools", "wheel", "ensurepip")
ASK = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())"
CAPTURE = """
import json, sys, urllib.request as u
body = json.dumps({"model": "credit", "alias": "candidate"}).encode()
asked = u.Request("http://127.0.0.1:8080/v1/captures", body)
asked.add_header("Authorization", "Bearer " + open(sys.argv[1]).read().strip())
asked.add_header("Content-Type", "application/json")
asked.add_header("Prefer", "wait=30")
try:
    print(u.urlopen(asked).read().decode())
except u.HTTPError as error:
    sys.exit(error.read().decode())
"""


def main() -> None:
    """Build, run every role, and say what was seen. Exit code 1 with the reason otherwise."""
    if os.geteuid() != 0 or sys.platform != "linux":
        raise SystemExit("image-check needs root on Linux: it mounts, and changes the user")
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {text}", flush=True)

    with TemporaryDirectory(prefix="image-check-") as folder:
        image = build(Path(folder), say)
        _clean(image)
        say("the image holds the wheel and api/, no pip, and nothing that its user may change")
        for role in ([], ["web"], ["worker"]):
            _run(image, role, Path(folder), say)
        elsewhere.derived_again(image.sandbox, Path(folder))
        say("another container, with the archive alone: both verdicts are derived again")
        _health_can_fail(image, Path(folder))
        say("HEALTHCHECK fails where nothing serves")
    say("image-check passed")


class Image:
    """The last stage, as built: its file system, and what it says about running it."""

    def __init__(self, root: Path, stage: Stage, env: dict[str, str], workdir: str) -> None:
        """`env` is that of the image alone, without the build's arguments."""
        self.sandbox = Sandbox(root, env, workdir)
        self.root = root
        self.entrypoint = stage.last("ENTRYPOINT").command()
        self.health = stage.last("HEALTHCHECK").command()
        self.user = stage.last("USER").text.partition(":")[0]
        self.home = stage.last("VOLUME").text


def build(folder: Path, say: Callable[[str], None]) -> Image:
    """Every stage of the Dockerfile, each on a fresh base."""
    base = folder / "base"
    base_image(base)
    say("base: Debian's essential packages and this Python, from this machine's files")
    context, built, network = Context.of(ROOT), {}, _pip_settings()
    for stage in stages((ROOT / "Dockerfile").read_text()):
        root = folder / (stage.name or "image")
        shutil.copytree(base, root, symlinks=True)
        built[stage.name] = root
        builder = _Builder(root, context, built, network)
        for step in stage.steps:
            builder.carry_out(step)
        say(f"stage {stage.name or 'image'}: {len(stage.steps)} steps")
    return Image(root, stage, builder.env, builder.workdir)


class _Builder:
    """Carries out one stage's instructions."""

    def __init__(
        self, root: Path, context: Context, built: dict[str, Path], network: dict[str, str]
    ) -> None:
        self.root, self.context, self.built, self.network = root, context, built, network
        self.workdir = "/"
        self.env = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"}
        self.arguments: dict[str, str] = {}

    def carry_out(self, step: Instruction) -> None:
        match step.name:
            case "ARG":
                self.arguments |= step.pairs()
            case "ENV":
                self.env |= {
                    k: expand(v, self.arguments | self.env) for k, v in step.pairs().items()
                }
            case "WORKDIR":
                self.workdir = step.text
                (self.root / step.text.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(step.text.split())
            case "RUN":
                env = {**self.network, **self.arguments, **self.env}
                Sandbox(self.root, env, self.workdir).run(["sh", "-c", step.text])

    def _copy(self, words: list[str]) -> None:
        *sources, target = [word for word in words if not word.startswith("--")]
        to = self.root / (Path(self.workdir) / target).as_posix().lstrip("/")
        if words[0].startswith("--from="):
            origin = self.built[words[0].removeprefix("--from=")]
            shutil.copytree(origin / sources[0].lstrip("/"), to, symlinks=True)
            return
        for source in sources:
            names = self.context.files(source)
            if not names:
                raise SystemExit(f"COPY {source}: .dockerignore keeps it back, or it is not there")
            for name in names:
                inside = (
                    Path(name).relative_to(source) if (ROOT / source).is_dir() else Path(name).name
                )
                (to / inside).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, to / inside)


def _pip_settings() -> dict[str, str]:
    """How pip reaches its index from here, as variables: the Dockerfile says nothing of it."""
    shown = subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], text=True)
    found = {}
    for line in shown.splitlines():
        name, _, value = line.partition("=")
        section, key = name.rsplit(".", 1)
        if section in ("global", ":env:", "install") and key not in ("cert", "constraint"):
            found[f"PIP_{key.upper().replace('-', '_')}"] = value.strip("'")
    proxies = {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
    return {**found, **proxies, "PIP_CERT": "/etc/ssl/certs/ca-certificates.crt"}


def _clean(image: Image) -> None:
    """Nothing is left that could install, nothing that the user may write but its home."""
    packages = [p for p in image.root.glob("**/site-packages/*") if p.name in NOT_ALLOWED]
    packages += list(image.root.glob("usr/local/lib/python3*/ensurepip"))
    ours = list(image.root.glob("opt/evidence/lib/python3*/site-packages/mlflow_evidence_plugin"))
    stamped = [p for p in (image.root / "app").rglob("*.pyc") if p.read_bytes()[4] != 1]
    uid = int(image.user)
    owned = [p for p in image.root.rglob("*") if p.lstat().st_uid == uid]
    home = image.root / image.home.lstrip("/")
    faults = {
        "build tools left": packages,
        "the wheel is not installed": [] if ours else [image.root],
        "compiled by time, not by content": stamped,
        "owned by the service's user": [p for p in owned if p != home],
        "home is open to others": [] if home.stat().st_mode & 0o077 == 0 else [home],
        "api/ is not complete": [n for n in Context.of(ROOT).files("api")
                                 if not (image.root / "app" / n).exists()],
    }  # fmt: skip
    for said, where in faults.items():
        if where:
            raise SystemExit(f"{said}: {[str(one) for one in where[:5]]}")


def _run(image: Image, role: Sequence[str], folder: Path, say: Callable[[str], None]) -> None:
    """Start a role as the image says, wait until it is healthy, use it, stop it."""
    name = "-".join(role) or "all"
    home, store = folder / "home", folder / "store"
    if not store.exists():
        _store(store, int(image.user))
    home.mkdir(mode=0o700, exist_ok=True)
    os.chown(home, int(image.user), int(image.user))
    (image.root / "store").mkdir(exist_ok=True)
    env = {
        "HOME": image.home,
        "EVIDENCE_SERVICE_TRACKING_URI": "sqlite:////store/mlflow.db",
        "EVIDENCE_SERVICE_ARTIFACT_ROOTS": "file:///store/artifacts",
        "EVIDENCE_SERVICE_POLICY_FILE": "/store/policy.yaml",
    }
    log = folder / f"{name}.log"
    volumes = {home: image.home, store: "/store"}
    command = [*image.entrypoint, *role]
    with image.sandbox.started(command, image.user, volumes, log, **env) as running:
        seconds = _until_healthy(running, image.health)
        say(f"role {name}: HEALTHCHECK passes after {seconds:.1f} s")
        if role != ["worker"]:
            for path in ("/livez", "/readyz"):
                say(f"role {name}: {path} {_ask(running, ASK, elsewhere.SERVICE + path)}")
        if not role:
            order = json.loads(_ask(running, CAPTURE, f"{image.home}/token"))
            if order.get("state") != "done":
                raise SystemExit(f"a capture did not end: {order}\n{log.read_text()[-3000:]}")
            say(f"role {name}: captured models/credit@candidate: {order['digest']}")
            elsewhere.judged(running, home, image.home)
        code = running.stop()
        if code:
            raise SystemExit(f"{name}: exit code {code} on SIGTERM\n{log.read_text()[-3000:]}")
        say(f"role {name}: SIGTERM, exit code 0; uid {image.user}, root read-only")


def _health_can_fail(image: Image, folder: Path) -> None:
    """A check that never fails would say nothing."""
    idle = ["sleep", "60"]
    with image.sandbox.started(idle, image.user, {}, folder / "idle.log") as running:
        if running.exec(image.health).returncode == 0:
            raise SystemExit("the health check passes in a container that serves nothing")


def _until_healthy(running: Running, check: list[str]) -> float:
    began = time.monotonic()
    while time.monotonic() < began + HEALTHY_SECONDS and running.process.poll() is None:
        done = running.exec(check)
        if done.returncode == 0:
            return time.monotonic() - began
        time.sleep(0.5)
    said = running.log.read_text()[-3000:]
    raise SystemExit(f"never healthy: {' '.join(check)}\n{done.stderr[-1500:]}\n{said}")


def _ask(running: Running, program: str, *arguments: str) -> str:
    done = running.exec(["python", "-c", program, *arguments])
    if done.returncode:
        raise SystemExit(f"{arguments}: {done.stderr}\n{running.log.read_text()[-3000:]}")
    return done.stdout.strip()


def _store(folder: Path, uid: int) -> None:
    """An MLflow store in a folder, with one run and a version of `credit` made from it."""
    program = """
import sys
from mlflow import MlflowClient
client = MlflowClient("sqlite:///" + sys.argv[1] + "/mlflow.db")
experiment = client.create_experiment("credit", artifact_location="file:///store/artifacts")
run = client.create_run(experiment).info
client.log_metric(run.run_id, "auc", 0.97)
client.set_terminated(run.run_id)
client.create_registered_model("credit")
version = client.create_model_version("credit", run.artifact_uri + "/model", run.run_id)
client.set_registered_model_alias("credit", "candidate", version.version)
print(run.run_id)
"""
    folder.mkdir()
    run = subprocess.check_output(
        [sys.executable, "-c", program, str(folder)], text=True, stderr=subprocess.DEVNULL
    ).split()[-1]
    model = folder / "artifacts" / run / "artifacts" / "model"
    model.mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}\n")
    (folder / "policy.yaml").write_text(elsewhere.POLICY)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, uid, uid)


if __name__ == "__main__":
    main()
