"""Names and limits of the tags and the header. Others rely on these names: add, never rename."""

from __future__ import annotations

import re
from typing import Any

PREFIX = "evidence."

SCHEMA = "evidence.schema"
STAMPED_BY = "evidence.stamped_by"

GOVERNANCE = (
    "owner",
    "support",
    "team",
    "environment",
    "ticket",
    "cost_center",
    "data_classification",
    "rollback",
    "monitoring",
    "runbook",
    "change_window",
)
"""What only people know, in order of importance: keys of `[governance]` in evidence.toml."""

GIT_COMMIT = "evidence.git.commit"
GIT_BRANCH = "evidence.git.branch"
GIT_DIRTY = "evidence.git.dirty"
GIT_REMOTE = "evidence.git.remote"
CI_URL = "evidence.ci.url"
CI_RUN = "evidence.ci.run"
AZUREML_WORKSPACE = "evidence.azureml.workspace"
AZUREML_JOB = "evidence.azureml.job"
IMAGE = "evidence.image"
ENV_DIGEST = "evidence.env.digest"
HOST = "evidence.host"

ORDER = (
    SCHEMA,
    STAMPED_BY,
    *(PREFIX + name for name in GOVERNANCE),
    GIT_COMMIT,
    GIT_BRANCH,
    GIT_DIRTY,
    GIT_REMOTE,
    CI_URL,
    CI_RUN,
    AZUREML_WORKSPACE,
    AZUREML_JOB,
    IMAGE,
    ENV_DIGEST,
    HOST,
)
"""Every tag, most important first: a store with little room keeps the head of this list."""

AZUREML_TAGS_MAX = 50
"""Tags that Azure ML takes for one run; ours stay at 24."""

RESUMED_PREFIX = "evidence.resumed."

HEADER = "X-Mlflow-Evidence"
HEADER_NAMES = ("owner", "team", "cost_center", "environment", "ticket", "git.commit", "ci.run")
"""What the header carries: pairs of these names, nothing that the tags do not say."""

HEADER_MAX = 2_000
"""Bytes of the header's value; MLflow 2.9's server refused 15 kB, proxies refuse 8 kB."""

KEY_MAX = 100
VALUE_MAX = 1_000
"""Azure ML's limits, the narrowest of the stores (MLflow itself: 250 and 8,000)."""

_KEY = re.compile(r"[A-Za-z0-9_.-]+\Z")


def unstorable(key: str, value: Any) -> str | None:
    """Why no store should be given this tag, or None when every store takes it.

    A value that breaks a limit is dropped whole: a cut value is a false one.
    """
    if not isinstance(value, str) or not value.strip():
        return "empty or not text"
    if not _KEY.match(key) or len(key) > KEY_MAX:
        return "not a tag name that every store takes"
    if len(value) > VALUE_MAX:
        return f"longer than {VALUE_MAX} characters"
    if not value.isprintable():
        return "has line breaks or other characters that cannot be shown"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return "is not valid Unicode"
    return None
