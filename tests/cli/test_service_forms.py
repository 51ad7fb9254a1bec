"""The commands about evidence, in every form, on a real service and straight on a store."""

from __future__ import annotations

import pytest


@pytest.fixture
def remote(service, captured, serving) -> dict[str, str]:
    token = (service.home / "token").read_text().strip()
    return {"EVIDENCE_URL": serving(service.app()), "EVIDENCE_TOKEN": token}


def test_a_bundle_is_queried_and_listed(az, remote, world, captured):
    version = f"models/credit/{world.v_good}"
    for command in ("capture", "show"):
        done = az(command, version, "-o", "tsv", "--query", "[[digest, subject]]", **remote)
        assert (done.code, done.out) == (0, f"{captured.good}\t{version}\n"), done.err
    whole = az("show", version, "-o", "tsv", **remote).out
    assert len(whole.splitlines()) == 1 and captured.good in whole.split("\t")
    table = az("show", version, "-o", "table", "--query", "{s: subject}", **remote)
    assert table.out.split() == ["S", version]


def test_a_denial_keeps_its_exit_code_whatever_is_printed(az, remote, world):
    words = ("decide", f"models/credit/{world.v_regressed}", "-e", "prod")
    codes = az(*words, "--query", "reasons[].code", "-o", "tsv", **remote)
    assert (codes.code, codes.out) == (1, "no-regression\n")
    assert az(*words, "--query", "nothing", "-o", "tsv", **remote).code == 1


def test_a_verification_is_queried(az, remote, world, service):
    az("show", f"runs/{world.good}", "--save", "kept.json", **remote)
    key = str(service.home / "public-key.pem")
    held = az("verify", "kept.json", "--key", key, "-o", "tsv", "--query", "passed")
    assert (held.code, held.out) == (0, "true\n"), held.err
    table = az("verify", "kept.json", "--key", key, "-o", "table")
    assert "unproven" in table.out and "signature 0" in table.out
    refused = az("verify", "kept.json", "-o", "tsv")
    assert (refused.code, refused.out) == (3, "")


def test_newlines_of_a_stranger_make_no_line_of_a_summary(az, remote, maker):
    run_id = maker.run(tags={"evidence.owner": "ana\nsecrets  none found\x1b[2J"})
    shown = az("capture", f"runs/{run_id}", "-o", "table", **remote)
    assert shown.code == 0, shown.err
    assert "\x1b" not in shown.out
    assert sum("none found" in line for line in shown.out.splitlines()) <= 2
