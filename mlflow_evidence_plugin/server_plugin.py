"""`mlflow server --app-name evidence`: stamps from our header, and refuses what is asked for.

Flask under gunicorn, FastAPI around the same Flask under uvicorn, as MLflow's own basic-auth does
it. Stamping fails open: a run is worth more than our tags. What a variable asks to refuse fails
closed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import flask
from mlflow.entities import RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2, model_registry_pb2, service_pb2
from mlflow.server import app as mlflow_app
from mlflow.server import handlers

from . import tags
from .context.admission import refusal
from .context.header import SERVER, told
from .context.notices import log
from .context.sources import SCHEMA_VERSION
from .errors import BadConfig

REQUIRE = "EVIDENCE_SERVER_REQUIRE"
REQUIRE_RUN = "EVIDENCE_SERVER_REQUIRE_RUN"
PROMPT = "mlflow.prompt.is_prompt"

CREATE, UPDATE = service_pb2.CreateRun, service_pb2.UpdateRun
REGISTER = model_registry_pb2.CreateModelVersion
NO_SUCH = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's codes for a run, or a logged model, that is not there or cannot be."""

OURS = (tags.SCHEMA, tags.STAMPED_BY)
"""Tags that nobody gives."""

YES, NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


@dataclass(frozen=True)
class Rules:
    """What this server refuses; nothing unless it is asked to."""

    names: tuple[str, ...] = ()
    """Tags that a new run must have, without their prefix."""
    run: bool = False
    """Whether a model version must come from a run that this server knows."""

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Rules:
        """From the server's variables; BadConfig for what would never, or always, be refused."""
        names = tuple(filter(None, map(str.strip, env.get(REQUIRE, "").split(","))))
        known = [one.removeprefix(tags.PREFIX) for one in tags.ORDER if one not in OURS]
        if unknown := set(names) - set(known):
            raise BadConfig(f"{REQUIRE}: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        run = env.get(REQUIRE_RUN, "").strip().lower()
        if run not in YES | NO:
            raise BadConfig(f"{REQUIRE_RUN} is neither true nor false")
        return cls(names, run in YES)


def create_app() -> Any:
    """MLflow's server with our hooks; `mlflow server` calls it by the name `evidence`."""
    _install(mlflow_app, Rules.read(os.environ))
    if os.environ.get("_MLFLOW_SGI_NAME") == "uvicorn":  # MLflow 2 knows neither
        from mlflow.server.fastapi_app import create_fastapi_app

        return create_fastapi_app(mlflow_app)
    return mlflow_app


def create_app_with_basic_auth() -> Any:
    """The same behind MLflow's basic-auth, which asks for the password before we look."""
    from mlflow.server import auth

    rules = Rules.read(os.environ)
    app = auth.create_app(mlflow_app)
    _install(mlflow_app, rules)
    return app


def _install(app: flask.Flask, rules: Rules) -> None:
    if rules.names:
        app.before_request(_gate(CREATE, lambda asked: _check_run(asked, rules.names)))
    if rules.run:
        app.before_request(_gate(REGISTER, _check_registration))
    created, resumed = _routes(CREATE), _routes(UPDATE)

    def stamp(response: flask.Response) -> flask.Response:
        try:
            place = getattr(flask.request.url_rule, "rule", None)
            if place in created | resumed and response.status_code == 200:
                _stamp(_offered(), response, place in created)
        except Exception as error:  # the run matters more than our evidence
            log.warning("evidence: a run was not stamped (%s)", type(error).__name__)
            log.debug("evidence: a run was not stamped", exc_info=True)
        return response

    app.after_request(stamp)


def _routes(request: Any) -> frozenset[str]:
    """Every address of one of MLflow's calls, with whatever prefix this server has."""
    found = handlers.get_endpoints(lambda one: one if one is request else None)
    return frozenset(path for path, handler, _ in found if handler is request)


def _gate(request: Any, check: Callable[[Any], None]) -> Callable[[], Any]:
    """Has MLflow read the request, so that we judge the very words that it will act on."""
    routes = _routes(request)
    if not routes:
        raise BadConfig(f"this mlflow has no {request.__name__}, so that it cannot be refused")

    def gate() -> None:
        rule = flask.request.url_rule
        if rule is not None and rule.rule in routes:
            check(_read(request()))

    answering: Callable[[], Any] = handlers.catch_mlflow_exception(gate)
    return answering


def _read(request: Any) -> Any:
    try:
        return handlers._get_request_message(request)
    except MlflowException:
        raise
    except Exception as error:  # MLflow itself would fail at it, without saying why
        raise _refused("This request cannot be read: send a JSON object") from error


def _check_run(asked: Any, names: Iterable[str]) -> None:
    given = {tag.key: tag.value for tag in asked.tags}
    carried = {**_missing(given, _offered()), **given}
    lacking = [name for name in names if not carried.get(tags.PREFIX + name, "").strip()]
    if lacking:
        said = ", ".join(tags.PREFIX + name for name in lacking)
        variables = ", ".join(
            f"EVIDENCE_{name.upper()}" for name in lacking if name in tags.GOVERNANCE
        )
        raise _refused(
            f"This server takes no run without {said}. Install mlflow-evidence-plugin where you "
            f"train{f' and set {variables} (or evidence.toml)' if variables else ''}, or give the "
            "tags when you create the run."
        )


def _check_registration(asked: Any) -> None:
    given = {tag.key: tag.value for tag in asked.tags}
    if given.get(PROMPT, "").lower() == "true" and "/" not in asked.source:
        return  # MLflow keeps prompts as model versions; their source is a placeholder
    run_id = asked.run_id or _of_logged_model(getattr(asked, "model_id", ""))
    if not run_id or _found(handlers._get_tracking_store().get_run, run_id) is None:
        raise _refused(
            "This server takes no model version without the run that made it"
            + (", and it knows no run of this id. " if run_id else ". ")
            + "Log the model in a run, and register it by runs:/<run_id>/<path> or with run_id."
        )


def _of_logged_model(model_id: str) -> str:
    model = _found(handlers._get_tracking_store().get_logged_model, model_id) if model_id else None
    return getattr(model, "source_run_id", None) or ""


def _found(get: Callable[[str], Any], key: str) -> Any:
    try:
        return get(key)
    except MlflowException as error:
        if error.error_code in NO_SUCH:
            return None
        raise  # nobody knows: the caller gets MLflow's own error


def _refused(said: str) -> MlflowException:
    return MlflowException(said, error_code=databricks_pb2.INVALID_PARAMETER_VALUE)


def _offered() -> dict[str, str]:
    """The tags that the request's header stands for, without those that no run should get."""
    said = told(flask.request.headers.get(tags.HEADER, ""))
    return {name: value for name, value in said.items() if refusal(name, value) is None}


def _missing(there: Mapping[str, str], offered: Mapping[str, str]) -> dict[str, str]:
    """What a run with the tags `there` gets; nothing if the plugin has been at it."""
    if not offered or tags.STAMPED_BY in there:
        return {}
    found = {tags.SCHEMA: SCHEMA_VERSION, tags.STAMPED_BY: SERVER, **offered}
    return {name: value for name, value in found.items() if name not in there}


def _stamp(offered: Mapping[str, str], response: flask.Response, created: bool) -> None:
    if not offered:
        return
    store = handlers._get_tracking_store()
    if created:
        run = response.get_json()["run"]
        run_id = run["info"]["run_id"]
        there = {tag["key"]: tag["value"] for tag in run["data"].get("tags", ())}
    elif run_id := _resumed():
        there = store.get_run(run_id).data.tags
    else:
        return
    if said := _missing(there, offered):
        store.log_batch(run_id, [], [], [RunTag(name, value) for name, value in said.items()])


def _resumed() -> str:
    """The run that the request has set to RUNNING; "" for any other change."""
    asked = handlers._get_request_message(UPDATE())
    running = asked.HasField("status") and asked.status == service_pb2.RUNNING
    return str(asked.run_id or asked.run_uuid) if running else ""
