"""Where the training runs, as far as it can be known for certain."""

from __future__ import annotations

from ..tags import HOST, IMAGE
from .host import Host
from .secrecy import public_image


def hostname(host: Host) -> dict[str, str]:
    """The machine's name: in Docker the container's id, in Kubernetes the pod's name."""
    return {HOST: host.name} if host.name else {}


def image(host: Host) -> dict[str, str]:
    """The container's image, when somebody who knows says so.

    A container cannot see its own image: either whoever starts it passes EVIDENCE_IMAGE, or
    GitLab's runner tells the image of the job.
    """
    runner = host.env.get("CI_JOB_IMAGE", "") if host.env.get("GITLAB_CI") else ""
    named = public_image(host.env.get("EVIDENCE_IMAGE", "").strip() or runner)
    return {IMAGE: named} if named else {}
