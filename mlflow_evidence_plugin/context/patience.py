"""Work beside the training, for which the training waits a few seconds at most.

MLflow's client tries a request that fails again for minutes. The training may have no other
request that fails, so it must not wait for ours.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextvars import copy_context

SECONDS = 5.0

_waited_in_vain: set[int] = set()
"""Processes whose patience is used up: a hundred calls wait no longer than one."""


def beside(work: Callable[[], object]) -> bool:
    """Whether the work is done; if not, it goes on in the background. Raises what it raised."""
    raised: list[Exception] = []
    carried = copy_context().run  # mlflow keeps a workspace there

    def carry_out() -> None:
        try:
            carried(work)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=carry_out, name="evidence", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no more threads here, or the interpreter ends
        work()
        return True
    thread.join(0 if os.getpid() in _waited_in_vain else SECONDS)
    if thread.is_alive():
        _waited_in_vain.add(os.getpid())
        return False
    if raised:
        raise raised[0]
    return True
