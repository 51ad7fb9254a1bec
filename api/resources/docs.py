"""The contract as it is served, and a page to read it on. Nothing is fetched from elsewhere."""

from __future__ import annotations

from flask import Blueprint, Response, current_app
from flask_swagger_ui import get_swaggerui_blueprint

from ..contract import as_yaml

bp = Blueprint("docs", __name__)
ui = get_swaggerui_blueprint(
    "/docs", "/openapi.yaml", {"app_name": "MLflow evidence API", "validatorUrl": None}
)


@bp.get("/openapi.yaml")
def contract() -> Response:
    """The OpenAPI document."""
    return Response(as_yaml(current_app), mimetype="application/yaml")
