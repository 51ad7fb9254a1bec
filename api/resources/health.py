"""Is it alive, and can it serve."""

from __future__ import annotations

from ..auth import service
from ..contract import Blueprint, problems
from ..schemas import HealthSchema

bp = Blueprint("health", __name__, description="For load balancers and orchestrators; no token")


@bp.get("/livez")
@bp.response(200, HealthSchema)
@problems(bp, 400)
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@bp.get("/readyz")
@bp.response(200, HealthSchema)
@problems(bp, 400, 503)
def ready() -> dict[str, str]:
    """The database answers. The tracking store may be away: evidence is served without it."""
    service().capturing.database.ping()
    return {"status": "ok"}
