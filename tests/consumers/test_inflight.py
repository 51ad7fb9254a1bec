"""Answers that are given later: so many of each consumer."""

from __future__ import annotations

import threading

import pytest

from api.consumers.inflight import InFlight
from mlflow_evidence_plugin.errors import Busy


def test_one_consumer_that_asks_without_end_leaves_room_for_the_others():
    held, over, done = InFlight(2), threading.Event(), threading.Event()
    for key in ("first", "second", "second"):
        held.begin(key, over.wait, "azure-devops")
    with pytest.raises(Busy):
        held.begin("third", over.wait, "azure-devops")
    held.begin("fourth", done.set, "github")
    assert done.wait(5)
    over.set()


def test_what_is_wanted_again_is_done_once_and_known_once():
    held, over = InFlight(), threading.Event()
    held.begin("one", over.wait)
    assert not held.repeated("one")
    held.begin("one", over.wait)
    held.begin("one", over.wait)
    assert held.repeated("one")
    assert not held.repeated("one")
    assert len(held) == 1
    over.set()
