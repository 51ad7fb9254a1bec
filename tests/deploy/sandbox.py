"""A stand-in for a container engine: namespaces, a root of its own, and nothing kept.

Needs Linux, root and a Debian-like machine: the base image's files are those of the machine's own
packages. What it cannot show: the published base image itself, and an engine's seccomp profile.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SLIM = [
    "apt",
    "ca-certificates",
    "netbase",
    "tzdata",
    "libbz2-1.0",
    "libdb5.3",
    "libffi8",
    "libgdbm6",
    "liblzma5",
    "libncursesw6",
    "libnsl2",
    "libreadline8",
    "libsqlite3-0",
    "libssl3",
    "libtirpc3",
    "libuuid1",
    "zlib1g",
]
"""What the official slim image has besides Debian's essential packages (apt brings libstdc++6)."""

LINKED = ("bin", "sbin", "lib", "lib64")
STOP_SECONDS = 45


def base_image(root: Path) -> None:
    """Debian's essential packages, and this Python at /usr/local: the files, without the rest."""
    for name in ("etc", "usr", "dev", "proc", "tmp", "run", "var/tmp", "root"):
        (root / name).mkdir(parents=True)
    for name in LINKED:
        (root / name).symlink_to(f"usr/{name}")
        (root / "usr" / name).mkdir()
    packed = 'tar -C / --no-recursion -cf - -T - | tar -C "$0" -xf -'
    _check(["sh", "-ec", packed, str(root)], input="\n".join(_files_of_packages()).encode())
    _python(root / "usr/local")
    for name in ("passwd", "group"):
        shutil.copy(f"/usr/share/base-passwd/{name}.master", root / "etc" / name)
    for name in ("resolv.conf", "hosts", "nsswitch.conf"):
        shutil.copy(Path("/etc", name).resolve(), root / "etc" / name)
    # Certificates are made by an install script; the machine's own may hold a proxy's.
    shutil.copytree("/etc/ssl", root / "etc/ssl", symlinks=True, dirs_exist_ok=True)
    (root / "etc/ld.so.conf").write_text("/usr/local/lib\n/lib/x86_64-linux-gnu\n/usr/lib\n")
    for folder in ("tmp", "var/tmp"):
        (root / folder).chmod(0o1777)
    _check(["ldconfig", "-r", str(root)])


def _files_of_packages() -> list[str]:
    shown = subprocess.check_output(
        ["dpkg-query", "-W", "-f", "${Package}|${Essential}|${Pre-Depends},${Depends}\n"], text=True
    )
    rows = [line.split("|", 2) for line in shown.splitlines()]
    needs = {name: [one.split()[0].split(":")[0] for one in said.replace("|", ",").split(",")
                    if one.strip()] for name, _, said in rows}  # fmt: skip
    wanted, todo = set(), [name for name, essential, _ in rows if essential == "yes"] + SLIM
    while todo:
        name = todo.pop()
        if name in needs and name not in wanted:
            wanted.add(name)
            todo += needs[name]
    found = subprocess.check_output(["dpkg", "-L", *sorted(wanted)], text=True).splitlines()
    skipped = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/")
    files = [f for f in found if f.startswith("/") and not f.startswith(skipped)]
    return [f.lstrip("/") for f in files if os.path.lexists(f) and not Path(f).is_dir()]


def _python(prefix: Path) -> None:
    def unwanted(folder: str, names: list[str]) -> set[str]:
        if Path(folder).name == "site-packages":
            return {n for n in names if not n.startswith(("pip", "setuptools", "wheel", "_dist"))}
        return {n for n in names if n in ("test", "__pycache__", "share") or n.endswith(".a")}

    shutil.copytree(sys.base_prefix, prefix, symlinks=True, ignore=unwanted, dirs_exist_ok=True)


@dataclass
class Sandbox:
    """A root folder that commands run in. `env` is all that they see of an environment."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"

    def run(self, command: Sequence[str]) -> None:
        """A step of a build: as root, writable, on the machine's network."""
        _check(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec",
                self._enter("", (), command)])  # fmt: skip

    @contextmanager
    def started(
        self, command: Sequence[str], user: str, volumes: Mapping[Path, str], log: Path,
        **env: str,
    ) -> Iterator[Running]:  # fmt: skip
        """A container: read-only root, no capability, a network of its own with a loopback."""
        confined = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
                    "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]  # fmt: skip
        binds = [f"mount --bind {source} {self.root}{target}" for source, target in volumes.items()]
        inner = Sandbox(self.root, self.env | env, self.workdir)
        script = inner._enter("ip link set lo up", binds, [*confined, *command], read_only=True)
        namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"]
        with log.open("wb") as said:
            process = subprocess.Popen(
                ["unshare", *namespaces, "sh", "-ec", script], stdout=said, stderr=said,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        running = Running(process, inner, confined, log)
        try:
            yield running
        finally:
            process.kill()  # --kill-child: the first process goes with it, and all others with that
            process.wait(STOP_SECONDS)

    def _enter(
        self, first: str, binds: Sequence[str], command: Sequence[str], read_only: bool = False
    ) -> str:
        root = self.root
        steps = [first or ":", f"mount --bind {root} {root}"]
        if read_only:
            steps.append(f"mount -o remount,bind,ro {root}")
        steps += [*binds, f"mount -t proc proc {root}/proc", f"mount -t tmpfs tmpfs {root}/dev"]
        for device in ("null", "zero", "urandom", "random"):
            steps += [f"touch {root}/dev/{device}",
                      f"mount --bind /dev/{device} {root}/dev/{device}"]  # fmt: skip
        steps += [f"mkdir {root}/dev/shm", f"mount -t tmpfs -o mode=1777 tmpfs {root}/dev/shm",
                  f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp"]  # fmt: skip
        return "\n".join([*steps, f"exec {shlex.join(self.inside(command))}"])

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command line that changes the root, the folder and the environment."""
        env = [f"{name}={value}" for name, value in self.env.items()]
        step = f'cd {shlex.quote(self.workdir)} && exec "$@"'
        return ["chroot", str(self.root), "env", "-i", *env, "sh", "-c", step, "sh", *command]


@dataclass
class Running:
    """A started container."""

    process: subprocess.Popen[bytes]
    sandbox: Sandbox
    confined: list[str]
    log: Path

    def exec(self, command: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
        """As an engine's exec: in the same namespaces, as the same user."""
        inner = Sandbox(self.sandbox.root, self.sandbox.env | env, self.sandbox.workdir)
        enter = ["nsenter", f"--target={self._first()}", "--mount", "--pid", "--net", "--ipc"]
        return subprocess.run(
            [*enter, "--", *inner.inside([*self.confined, *command])],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def stop(self) -> int:
        """Ask the first process to end, as an engine does, and get its exit code.

        The kernel drops SIGTERM to a namespace's first process while that has no handler for it,
        as a worker has none while it still imports: an engine would then wait out its grace.
        """
        first = self._first()
        for _ in range(200):
            caught = re.search(r"SigCgt:\s+(\w+)", Path(f"/proc/{first}/status").read_text())
            if caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1:
                break
            time.sleep(0.05)
        os.kill(first, signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def _first(self) -> int:
        listing = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for _ in range(100):
            if children := listing.read_text().split():
                return int(children[0])
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise SystemExit(f"the container has ended or never began:\n{self.log.read_text()[-3000:]}")


def _check(command: Sequence[str], **more: object) -> None:
    done = subprocess.run(command, capture_output=True, check=False, **more)  # type: ignore[call-overload]
    if done.returncode:
        said = (done.stdout + done.stderr).decode("utf-8", "replace")[-3000:]
        raise SystemExit(f"failed ({done.returncode}): {shlex.join(command)[-800:]}\n{said}")
