"""Sign in with a token, and out again.

The cookie holds the token itself. That needs no secret that replicas share, no table, and nothing
that could go stale: each page asks whose token it is, so that a revocation counts within a second.
No script can read it (HttpOnly, and there is no script), and it ends with the browser. The REST
resources under /v1 do not look at it: whoever makes a browser send it there gets nothing done.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec
from urllib.parse import urlencode, urlsplit

from flask import Response, g, request
from werkzeug.exceptions import Forbidden as CrossSite

from mlflow_evidence_plugin.errors import Forbidden, Unauthorized

from ..auth import service
from .blueprint import bp, page

P = ParamSpec("P")
SCOPE = "evidence:read"
LONGEST = 512


def signed_in(view: Callable[P, Response]) -> Callable[P, Response]:
    """Let a page be seen only with a token that may read; else lead to the sign-in and back."""

    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Response:
        token = request.cookies.get(_cookie())
        try:
            if not token:
                raise Unauthorized("there is no token")
            _enter(token)
        except Unauthorized:
            back = request.full_path.rstrip("?") if request.method == "GET" else "/"
            response = _redirect("/sign-in?" + urlencode({"next": back}))
            if token:
                _forget(response)
            return response
        return view(*args, **kwargs)

    return checked


@bp.get("/sign-in")
def sign_in() -> Response:
    """The form."""
    return _form(request.args.get("next"))


@bp.post("/sign-in")
def enter() -> Response:
    """Take a token. What is wrong with one that is not good, nobody is told."""
    _same_site()
    token = request.form.get("token", "").strip()
    wanted = request.form.get("next")
    try:
        _enter(token if len(token) <= LONGEST else "")
    except Unauthorized as error:
        return _form(wanted, f"This token does not open anything: {error.detail}.", 401)
    except Forbidden as error:
        return _form(wanted, f"This token is valid, but {error.detail}.", 403)
    response = _redirect(local(wanted))
    response.set_cookie(
        _cookie(),
        token,
        path="/",
        httponly=True,
        secure=_secure(),
        # Not Strict: a link to evidence in a change ticket must open for who is signed in. No
        # address changes anything by being opened.
        samesite="Lax",
    )
    return response


@bp.post("/sign-out")
def leave() -> Response:
    """Forget the token in this browser. It stays valid until it ends or is revoked."""
    _same_site()
    response = _redirect("/sign-in")
    _forget(response)
    return response


def local(wanted: str | None) -> str:
    """Where to go after the sign-in: a path of ours, or the first page for anything else."""
    if not wanted or not wanted.startswith("/") or "\\" in wanted or not wanted.isprintable():
        return "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    # Browsers take `//host` for another site, and read `/./` and tabs in ways of their own.
    ours = not (parts.scheme or parts.netloc) and not parts.path.startswith("//")
    return wanted if ours and not wanted.startswith(("//", "/sign-")) else "/"


def _enter(token: str) -> None:
    found = service().caller(token)
    if SCOPE not in found.scopes and "admin" not in found.scopes:
        mend = f"ask the service's operator for a token with the scope {SCOPE}"
        raise Forbidden(f"it has not the scope {SCOPE}", mend)
    if found.environment is not None:
        raise Forbidden("it may only ask for verdicts", "sign in with a token of your own")
    g.caller = found


def _form(wanted: str | None, wrong: str = "", status: int = 200) -> Response:
    plain = not _secure_enough()
    return page("sign_in.html", status, next=local(wanted), wrong=wrong, plain=plain)


def _same_site() -> None:
    """Refuse a form that another site sent. Every browser of today says where it comes from."""
    site = request.headers.get("Sec-Fetch-Site")
    if site != "same-origin" if site else _sent_from() != request.host:
        raise CrossSite("This form was sent from another site. Open the page itself and try again.")


def _sent_from() -> str:
    try:
        return urlsplit(request.headers.get("Origin", "")).netloc
    except ValueError:
        return ""


def _redirect(to: str) -> Response:
    response = Response("", 303)
    response.headers["Location"] = to
    return response


def _forget(response: Response) -> None:
    response.delete_cookie(_cookie(), path="/", httponly=True, secure=_secure(), samesite="Lax")


def _cookie() -> str:
    # `__Host-`: a browser takes it over https only, and from no neighbouring domain.
    return "__Host-evidence" if _secure() else "evidence"


def _secure() -> bool:
    """Whether the cookie must travel over https only: always, but on this very machine."""
    host = urlsplit(f"//{request.host}").hostname or ""
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _secure_enough() -> bool:
    """Whether the browser will keep the cookie; only to say so, so that a header may be trusted."""
    proxied = request.headers.get("X-Forwarded-Proto", "") == "https"
    return not _secure() or request.is_secure or proxied


__all__ = ["local", "signed_in"]
