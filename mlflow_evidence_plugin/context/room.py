"""Stores that take only so many tags: what fits of ours, the most important first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..tags import AZUREML_TAGS_MAX, ORDER
from .notices import Problem, tell

SPARE = 2
"""Room that is left: MLflow itself writes tags later, of the models that a run logs for one."""


def most_tags(store: Any) -> int | None:
    """How many tags a run may have in this store; None where there is no such limit."""
    azureml = type(store).__module__.partition(".")[0] == "azureml"
    return AZUREML_TAGS_MAX if azureml else None


def fitting(mine: Mapping[str, str], there: Collection[str], most: int | None) -> dict[str, str]:
    """Those of our tags for which a run with the tags `there` has room; one warning for the rest.

    A name that is there already takes no room.
    """
    if most is None:
        return dict(mine)
    room = max(most - SPARE - len(there), 0)
    new = sorted((name for name in mine if name not in there), key=_rank)
    left_out = set(new[room:])
    if left_out:
        reason = f"{len(left_out)} left out: the store takes {most} a run, and most are taken"
        tell(Problem("tags", reason, "Give the run fewer tags of its own"))
    return {name: value for name, value in mine.items() if name not in left_out}


def _rank(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)
