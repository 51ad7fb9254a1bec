"""What a program is surrounded by: a pod, an allocation of SLURM, a notebook, devices, an image.

There are few tags, and the stores are narrow: all this goes into the environment artifact. Each
variable is read by its name, and no file but the one that holds a pod's namespace.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .admission import refusal
from .host import Host
from .machine import image
from .notices import log

NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Mounted into a pod beside its token, which is never opened."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Fact:
    """One fact: where it stands in the document, what it means, and where it comes from."""

    place: str
    said: str
    variables: tuple[str, ...] = ()
    """The first that is set counts."""
    otherwise: Callable[[Host], str | None] | None = None
    told: str = ""
    """Where `otherwise` looks."""

    @property
    def source(self) -> str:
        """For the documentation."""
        names = ", ".join(f"`{name}`" for name in self.variables)
        return ", else ".join(filter(None, (names, self.told)))

    def of(self, host: Host) -> str:
        """Its value; "" when nobody knows."""
        named = (host.env.get(name, "").strip() for name in self.variables)
        found = next(filter(None, named), None)
        if found is None and self.otherwise is not None:
            found = self.otherwise(host)
        return found or ""


def _in_pod(host: Host) -> bool:
    return "KUBERNETES_SERVICE_HOST" in host.env


def _pod(host: Host) -> str | None:
    return host.env.get("HOSTNAME") or host.name if _in_pod(host) else None


def _namespace(host: Host) -> str | None:
    if not _in_pod(host):
        return None
    with suppress(OSError, UnicodeDecodeError):
        descriptor = os.open(NAMESPACE, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                text = file.read(254).decode("ascii").strip()
                return text if _LABEL.fullmatch(text) else None
    return None


def _reference(host: Host) -> str | None:
    return next(iter(image(host).values()), None)


def _image_digest(host: Host) -> str | None:
    digest = (_reference(host) or "").rpartition("@")[2]
    return digest if _DIGEST.fullmatch(digest) else None


def _notebook(_: Host) -> str | None:
    # Set by the extension of VS Code in the namespace that the cells run in.
    found = vars(sys.modules["__main__"]).get("__vsc_ipynb_file__")
    return found if isinstance(found, str) else None


def _kernel(_: Host) -> str | None:
    return "ipykernel" if "ipykernel" in sys.modules else None


def _slurm(name: str, said: str) -> Fact:
    return Fact(f"slurm.{name.removeprefix('SLURM_').lower()}", said, (name,))


FACTS: tuple[Fact, ...] = (
    Fact("image.reference", "The container image", (), _reference, "as `evidence.image`"),
    Fact("image.digest", "Its digest", (), _image_digest, "the reference, behind `@`"),
    Fact(
        "kubernetes.pod",
        "Name of the pod",
        ("POD_NAME", "MY_POD_NAME", "K8S_POD_NAME"),
        _pod,
        "in a pod `HOSTNAME`",
    ),
    Fact(
        "kubernetes.namespace",
        "Its namespace",
        ("POD_NAMESPACE", "MY_POD_NAMESPACE", "K8S_NAMESPACE", "K8S_POD_NAMESPACE"),
        _namespace,
        "in a pod the service account's file `namespace`",
    ),
    Fact(
        "kubernetes.node",
        "The node it runs on",
        ("NODE_NAME", "MY_NODE_NAME", "K8S_NODE_NAME"),
    ),
    _slurm("SLURM_JOB_ID", "Id of the job"),
    _slurm("SLURM_JOB_NAME", "Name of the job"),
    _slurm("SLURM_CLUSTER_NAME", "The cluster"),
    _slurm("SLURM_ARRAY_JOB_ID", "Id of the array of jobs"),
    _slurm("SLURM_ARRAY_TASK_ID", "Number of the job in its array"),
    _slurm("SLURM_NODELIST", "The nodes that were allocated"),
    Fact("notebook.kernel", "The kernel", (), _kernel, "whether it is `ipykernel`"),
    Fact(
        "notebook.path",
        "The notebook, as its server or editor calls it",
        ("JPY_SESSION_NAME",),
        _notebook,
        "VS Code's `__vsc_ipynb_file__`",
    ),
    Fact("accelerators.cuda_visible_devices", "CUDA devices", ("CUDA_VISIBLE_DEVICES",)),
    Fact("accelerators.rocr_visible_devices", "ROCm devices", ("ROCR_VISIBLE_DEVICES",)),
    Fact(
        "accelerators.nvidia_visible_devices",
        "Devices of the container",
        ("NVIDIA_VISIBLE_DEVICES",),
    ),
)
"""All of them. Databricks is left to MLflow, which tags notebook, job and cluster itself."""


def surroundings(host: Host) -> dict[str, dict[str, str]]:
    """What is known, by group and name. What could be a credential is left out, and not told."""
    found: dict[str, dict[str, str]] = {}
    for group, name, value in _known(host):
        found.setdefault(group, {})[name] = value
    return found


def _known(host: Host) -> Iterator[tuple[str, str, str]]:
    for fact in FACTS:
        try:
            value = fact.of(host)
        except Exception:  # the run matters more than our evidence
            log.debug("evidence: %s is not known", fact.place, exc_info=True)
            continue
        if value and refusal(fact.place, value, env=host.env) is None:
            group, _, name = fact.place.partition(".")
            yield group, name, value


def table() -> str:
    """The facts as a Markdown table."""
    rows = [f"| `{one.place}` | {one.source} | {one.said} |" for one in FACTS]
    return "\n".join(["| in the document | source | meaning |", "|---|---|---|", *rows]) + "\n"
