"""MLflow's own webhooks: capture what was registered, and look again where an alias was moved.

https://mlflow.org/docs/latest/ml/webhooks/
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Response, current_app, request
from marshmallow import fields, post_load, validate

from mlflow_evidence_plugin.errors import BadInput
from mlflow_evidence_plugin.service import CaptureRequest
from mlflow_evidence_plugin.storage import Principal

from ..auth import service
from ..contract import Blueprint, problems
from ..schemas import AcceptedSchema, MLflowEventSchema
from .options import Options, SecretFile, globs, principal
from .runtime import Delivery, consumers, let_in
from .signatures import Verified, of_standard_webhook
from .webhooks import body, header, payload, signed_by, told

log = logging.getLogger(__name__)
bp = Blueprint("mlflow", __name__, description="Webhooks of MLflow")

NAME = "mlflow"
SCHEMES = {
    "mlflow": header("X-MLflow-Signature", "v1, and the HMAC-SHA256 of id.timestamp.body in base64")
}
REGISTERED = "model_version.created"
MOVED = ("model_version_alias.created", "model_version_alias.deleted")
_DELIVERY = re.compile(r"[\w.-]{1,128}", re.ASCII)


@dataclass(frozen=True)
class MLflow:
    """The secret of its webhooks, and whose captures they order."""

    secret: bytes = field(repr=False)
    principal: Principal


class MLflowOptions(Options):
    """`[mlflow]` of the consumers file."""

    secret_file = SecretFile(required=True)
    principal = fields.String(load_default="mlflow-webhook", validate=validate.Length(1, 128))
    models = globs()
    experiments = globs()

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> MLflow:
        found = replace(principal(data["principal"], data), scopes=("capture",))
        return MLflow(data["secret_file"], found)


OPTIONS = MLflowOptions


@bp.post("/hooks/mlflow")
@bp.doc(security=signed_by("mlflow"), requestBody=body(MLflowEventSchema))
@bp.response(202, AcceptedSchema, description="Ordered, or to be judged anew")
@bp.alt_response(200, schema=AcceptedSchema, description="Nothing follows")
@problems(bp, 400, 401, 404, 413, 422, 500, 503)
def receive() -> Response:
    """Take an event of MLflow's: a version that was registered, or an alias that was moved.

    A delivery counts once it was acted on, however often MLflow sends it.
    """
    said = consumers().section(NAME, MLflow)
    name, verified = _verified(said)
    let_in(said.principal)
    about = payload(MLflowEventSchema(only=("entity", "action")), verified)
    event = f"{about['entity']}.{about['action']}"
    if event != REGISTERED and event not in MOVED:
        return told("ignored")
    found = payload(MLflowEventSchema(), verified)["data"]
    if not said.principal.sees_model(found["name"]):
        return told("ignored")
    delivery = Delivery.of(NAME, name)
    if delivery.known:
        return told("ignored")
    _act(event, found, said.principal)
    # Not before: a crash between the two would lose the event. To act twice changes nothing.
    delivery.note()
    return told("accepted")


def _act(event: str, found: dict[str, Any], who: Principal) -> None:
    evidence = service()
    if event in MOVED:
        evidence.deciding.gathering.standing.unsettle_model(found["name"])
        return
    if "version" not in found:
        raise BadInput("the event names no version", "let MLflow send it")
    wanted = CaptureRequest(model=found["name"], version=found["version"])
    order = evidence.capture(wanted, who)
    if not order.ended:
        try:
            current_app.extensions["enqueue"](order.id)
        except Exception:  # the order is kept: the worker's sweep finds it without the queue
            log.warning("capture %s could not be queued", order.id, exc_info=True)


def _verified(said: MLflow) -> tuple[str, Verified]:
    """A delivery's id and its body; Unauthorized."""
    parts = ("Delivery-Id", "Timestamp", "Signature")
    name, at, sent = (request.headers.get(f"X-MLflow-{one}", "") for one in parts)
    now = service().now()
    verified = of_standard_webhook(request.get_data(), said.secret, (name, at, sent), now)
    if not _DELIVERY.fullmatch(name):
        raise BadInput("X-MLflow-Delivery-Id is not as it should be", "let MLflow send it")
    return name, verified
