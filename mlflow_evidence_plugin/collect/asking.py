"""What MLflow's client raises, told as our own errors, without its internals."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import EvidenceError, NotFound, StoreRefused, StoreUnavailable
from .azure import NOBODY, is_workspace

MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")
MALFORMED = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")

_NOBODYS = ("ENDPOINT_NOT_FOUND", "BAD_REQUEST")
"""What MLflow's client makes of a 404 or 400 that no MLflow wrote, but a proxy, say."""

_STATUS = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_AZURE = {
    "authenticationerror": "UNAUTHENTICATED",
    "authorizationerror": "PERMISSION_DENIED",
    "authorizationfailed": "PERMISSION_DENIED",
    "expiredauthenticationtoken": "UNAUTHENTICATED",
    "forbidden": "PERMISSION_DENIED",
    "invalidauthenticationtoken": "UNAUTHENTICATED",
    "notfound": "NOT_FOUND",
    "unauthorized": "UNAUTHENTICATED",
}
_NO_IDENTITY = {"ClientAuthenticationError", "InvalidTokenError"}
"""Of azure.core and jwt, which need not be installed."""
_TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 - a variable's name

_SIGN_IN = (
    "sign in with `az login`; in Azure, give this machine a managed identity; elsewhere set "
    "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET: docs/azureml.md"
)
_RENEW = (
    "get a new token, or give the service's identity the role AzureML Data Scientist or Reader on "
    "the workspace: docs/azureml.md"
)


@contextmanager
def asked(what: str) -> Iterator[None]:
    """Turn whatever is raised within into an EvidenceError that names what was asked for."""
    try:
        yield
    except EvidenceError:
        raise
    except Exception as error:
        raise told(what, error) from error


def told(what: str, error: Exception) -> EvidenceError:
    """Our own error for one that MLflow's client raised."""
    code = code_of(error)
    if code in MISSING or code in MALFORMED:
        has = "has" if code in MISSING else "knows"
        return NotFound(f"the tracking store {has} no {what}", "check the name")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        mend = "set REQUESTS_CA_BUNDLE to the file of your organisation's certificate authorities"
        said = f"{what} could not be read: the server's certificate is not trusted here"
        return StoreUnavailable(said, mend)
    if _NO_IDENTITY & {kind.__name__ for kind in type(error).__mro__}:
        return _unidentified(what, error)
    if code in REFUSED:
        mend = _RENEW if _in_azure() else "give the service's identity read access to the store"
        return StoreRefused(f"the tracking store refused to show {what}", mend)
    return _unavailable(what, error)


def _unidentified(what: str, error: Exception) -> EvidenceError:
    if os.environ.get(_TOKEN):
        said = f"the token in {_TOKEN} has expired or is none, so that {what} could not be read"
        return StoreRefused(said, f"get a new one: a job's ends with the job; or unset {_TOKEN}")
    if NOBODY in str(error):
        return StoreRefused(f"no Azure identity was found here to ask for {what} with", _SIGN_IN)
    # Its secret may be wrong, or the network away: the client does not tell which.
    said = f"an Azure identity was found, but could not sign in to ask for {what}"
    return StoreUnavailable(said, "see that its secret is right, and that Azure can be reached")


def _unavailable(what: str, error: Exception) -> StoreUnavailable:
    if " 429 " in str(error):
        said = f"the tracking store asks for fewer requests, so that {what} could not be read"
        return StoreUnavailable(said, "try again in some minutes")
    return StoreUnavailable(
        f"{what} could not be read from the tracking store ({type(error).__name__})",
        "see that the tracking server runs and answers; then try again",
    )


def code_of(error: Exception) -> str:
    """MLflow's code of an error, also where Azure ML says it in its own way; "" for none."""
    said = getattr(error, "json", None)
    known: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    code = known.get("error_code") or (_azure_code(known) if _in_azure() else None)
    code = str(code or getattr(error, "error_code", ""))
    return "" if code in _NOBODYS and not known else code


def _azure_code(said: Mapping[str, Any]) -> str | None:
    """From `{"error": {"code", "message", "innerError": {"code", …}}, "statusCode"}`."""
    inner, status, depth = said.get("error"), said.get("statusCode"), 0
    if isinstance(status, int) and status in _STATUS:
        return _STATUS[status]
    while isinstance(inner, Mapping) and depth < 8:
        if code := _AZURE.get(str(inner.get("code")).lower()):
            return code
        if "bearer token" in str(inner.get("message")).lower():
            return "UNAUTHENTICATED"
        inner, depth = inner.get("innerError"), depth + 1
    return None


def _in_azure() -> bool:
    import mlflow

    return is_workspace(mlflow.get_tracking_uri())
