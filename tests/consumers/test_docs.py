"""docs/integrations: what there is to paste is what the service takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from api.consumers import CONSUMERS, SECTIONS
from api.consumers.inflight import LIMIT
from api.consumers.options import WAIT_MINUTES, read
from api.consumers.outgoing import RETRIES
from api.schemas import AzureDevOpsHeaders, CheckArgs
from api.tasks import DELIVERIES_KEPT
from tests.consumers.doubles import AdoCheck

PAGES = sorted((Path(__file__).parents[2] / "docs/integrations").glob("*.md"))
FILES = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, text in enumerate(
        re.findall(r"^```toml\n(.*?)^```$", page.read_text(), re.M | re.S)
    )
]
SECRETS = {
    "github-app.pem": "app.pem",
    "github-webhook-secret": "github-secret",
    "gitlab-token": "gitlab-token",
    "gitlab-secret": "gitlab-secret",
    "gitlab-webhook-key": "gitlab-webhook-key",
    "mlflow-webhook-secret": "gitlab-secret",
    "servicenow-password": "servicenow-password",
    "jira-token": "jira-token",
}


@pytest.mark.parametrize("text", FILES)
def test_each_consumers_file_can_be_used(text, secret_files):
    for said, made in SECRETS.items():
        text = text.replace(f'"/etc/mlflow-evidence/{said}"', f'"{secret_files / made}"')
    assert read(text.encode(), SECTIONS)


def test_each_consumer_has_a_page_and_the_index_names_it():
    index = (PAGES[0].parent / "README.md").read_text()
    for one in CONSUMERS:
        name = one.NAME.replace("_", "-")
        assert f"({name}.md)" in index
        page = (PAGES[0].parent / f"{name}.md").read_text()
        assert re.search("/v1/(checks|hooks)/", page)
        assert "## What goes wrong, and how it is seen" in page


def test_what_azure_devops_is_told_to_send_is_what_is_taken():
    page = (PAGES[0].parent / "azure-devops.md").read_text()
    blocks = [json.loads(one) for one in re.findall(r"^```json\n(.*?)^```$", page, re.M | re.S)]
    body = next(one for one in blocks if "model" in one)
    assert CheckArgs().load(body) == body
    headers = next(one for one in blocks if "PlanUrl" in one)
    needed = {one.data_key for one in AzureDevOpsHeaders().fields.values()}
    assert needed <= set(headers)
    assert set(AdoCheck().headers("https://dev.azure.com/x/")) <= set(headers)


def test_the_numbers_are_those_of_the_code():
    index = (PAGES[0].parent / "README.md").read_text()
    assert f"wait_minutes = {WAIT_MINUTES} " in index
    assert f"{LIMIT} of them in each" in index
    assert f"after {DELIVERIES_KEPT.days} days" in index
    assert RETRIES.total == 5  # "six times"
