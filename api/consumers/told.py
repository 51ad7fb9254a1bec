"""What a ticket system that fetches is shown: the verdict that stands, and its evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mlflow_evidence_plugin.errors import BadInput
from mlflow_evidence_plugin.render.exhibit import Exhibit
from mlflow_evidence_plugin.service.comparing import parts

from ..auth import caller, service


def exhibited(args: dict[str, Any]) -> tuple[Exhibit, dict[str, Any]]:
    """The evidence with that verdict alone, and the head of the answer; NotFound, BadInput."""
    evidence, who, named = service(), caller(), parts(args["subject"])
    if "model" not in named:
        raise BadInput("no verdict is on that", "name models/NAME/VERSION or models/NAME@ALIAS")
    model, environment = named["model"], args.get("environment")
    if "alias" in named:
        decision, _ = evidence.gate.decide_alias((model, named["alias"]), environment, who)
    else:
        decision = evidence.gate.decide((model, named["version"]), environment, who)
    bundle = (
        evidence.bundle(decision.record, who)
        if decision.record is not None
        else evidence.named(named, who)  # NotFound says what is lacking
    )
    exhibit = replace(evidence.exhibit(bundle, who), decisions=[decision.document()])
    return exhibit, {
        "allowed": decision.allowed,
        "status": decision.status,
        "subject": decision.subject.name,
        "environment": decision.environment,
        "record": bundle.digest,
    }
