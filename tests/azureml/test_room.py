"""What fits of our tags, without any store."""

from __future__ import annotations

import pytest

from mlflow_evidence_plugin import tags
from mlflow_evidence_plugin.context.room import SPARE, fitting, most_tags

MINE = dict.fromkeys(reversed(tags.ORDER), "x")


ROOM = [(0, 24), (24, 24), (25, 23), (45, 3), (48, 0), (60, 0)]


@pytest.mark.parametrize(("taken", "kept"), ROOM)
def test_the_head_of_the_order_is_kept(taken, kept):
    found = fitting(MINE, [f"mine{i}" for i in range(taken)], tags.AZUREML_TAGS_MAX)
    assert set(found) == set(tags.ORDER[:kept])
    assert kept == 0 or taken + kept <= tags.AZUREML_TAGS_MAX - SPARE


def test_a_name_that_is_there_takes_no_room():
    there = [*(f"mine{i}" for i in range(47)), tags.HOST]
    assert set(fitting(MINE, there, tags.AZUREML_TAGS_MAX)) == {tags.HOST}


def test_other_stores_take_all():
    assert fitting(MINE, [f"mine{i}" for i in range(90)], most_tags(object())) == MINE


def test_the_store_of_azure_ml_is_known_by_its_module():
    store = type("AzureMLRestStore", (), {"__module__": "azureml.mlflow._store.tracking.store"})
    assert most_tags(store()) == 50
    assert most_tags(type("Store", (), {"__module__": "azureml_like"})()) is None
