"""Answers that are given later: so many of each consumer."""

from __future__ import annotations

import threading
import time

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


def test_what_is_wanted_anew_at_the_last_moment_is_done_again():
    held, done = InFlight(), []
    begun, over, again = (threading.Event() for _ in range(3))

    def work():
        done.append(len(done))
        if len(done) == 1:
            begun.set()
            over.wait(5)
        else:
            again.set()

    held.begin("one", work, anew=True)
    assert begun.wait(5)
    held.begin("one", work, anew=True)
    over.set()
    assert again.wait(5)
    while len(held):
        time.sleep(0.01)
    assert done == [0, 1]


def test_and_where_nobody_wants_another_answer_it_is_not():
    held, done, over = InFlight(), [], threading.Event()

    def work():
        over.wait(5)
        done.append(1)

    held.begin("one", work)
    held.begin("one", work)
    over.set()
    while len(held):
        time.sleep(0.01)
    assert done == [1]
