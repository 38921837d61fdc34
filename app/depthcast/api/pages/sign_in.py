"""``/sign-in`` and ``/sign-out``: a browser shows a key once and has a session for it.

The cookie holds no key, scripts cannot read it, and other sites cannot have it sent. Forms are taken only
from pages of this server: by the Origin that the browser says, and by a mark that is bound to a cookie.
"""

from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from litestar import Request, get, post

from depthcast.api.answers import Answer
from depthcast.api.auth import PUBLIC, session_cookie
from depthcast.api.headers import client_key, header
from depthcast.api.keys import MAX_TOKEN
from depthcast.api.pages.forms import browser_of, cookie_header, cookie_of, is_own, local_path
from depthcast.api.pages.site import site_of
from depthcast.api.runtime import runtime_of

__all__ = ["ROUTES"]

MAX_FORM: Final = 2_048
MAX_FIELDS: Final = 8
_Request = Request[Any, Any, Any]

_log = structlog.get_logger("depthcast.api")


@get("/sign-in", include_in_schema=False, opt={"scope": PUBLIC}, sync_to_thread=False)
def get_sign_in(request: _Request) -> Answer:
    """The form."""
    wanted = local_path(request.query_params.get("next", "/"))
    return site_of(request).sign_in(request, wanted)


@post(
    "/sign-in",
    include_in_schema=False,
    opt={"scope": PUBLIC},
    status_code=303,
    request_max_body_size=MAX_FORM,
)
async def post_sign_in(request: _Request) -> Answer:
    """A session for a key, as a cookie; or the form again, and why."""
    site, runtime = site_of(request), runtime_of(request)
    fields = await _fields(request)
    wanted = local_path(fields.get("next", "/"))
    address = client_key(request.scope["state"]["address"])
    allowance = runtime.sign_ins.take(address)
    if not allowance.granted:
        why = f"Too many attempts from this address. The next one is taken in {allowance.retry_s} s."
        answer = site.sign_in(request, wanted, why=why, status_code=429)
        answer.add({"Retry-After": str(allowance.retry_s)})
        return answer
    if not is_own(request, fields.get("mark", ""), browser_of(request)):
        why = "The form was open for too long, or does not come from this page. Try again."
        return site.sign_in(request, wanted, why=why, status_code=403)
    services = runtime.services
    token = fields.get("key", "").strip()
    key = services.keys.ring.find(token) if len(token) <= MAX_TOKEN else None
    ended = None if key is None else key.ended(services.clock())
    if key is None or ended is not None:
        _log.info("sign-in refused", address=address, why="no such key" if key is None else ended)
        why = "There is no such key. Check that it is complete." if key is None else f"The key is {ended}."
        return site.sign_in(request, wanted, why=why, status_code=401)
    _log.info("signed in", address=address, key=key.id)
    name = session_cookie(https=request.scope["state"]["https"])
    cookie = cookie_header(request, name, runtime.sessions.begin(key), runtime.sessions.lasts_s)
    return _go(wanted, cookie)


@post(
    "/sign-out",
    include_in_schema=False,
    opt={"scope": PUBLIC},
    status_code=303,
    request_max_body_size=MAX_FORM,
)
async def post_sign_out(request: _Request) -> Answer:
    """The end of a session, as far as this browser goes."""
    fields = await _fields(request)
    name = session_cookie(https=request.scope["state"]["https"])
    session = cookie_of(request, name)
    if not is_own(request, fields.get("mark", ""), session):
        why = "The request to sign out does not come from this page."
        return site_of(request).sign_in(request, "/", why=why, status_code=403)
    return _go("/sign-in", cookie_header(request, name, "", 0))


ROUTES: Final = (get_sign_in, post_sign_in, post_sign_out)


async def _fields(request: _Request) -> dict[str, str]:
    """What a form says; of a field that is there twice, nothing. Anything else is an empty form."""
    media = (header(request.scope["headers"], b"content-type") or "").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        return {}
    body = await request.body()
    try:
        given = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in given.items() if len(values) == 1}


def _go(path: str, cookie: dict[str, str]) -> Answer:
    headers = {"Location": path, "Cache-Control": "no-store", **cookie}
    return Answer(b"", media_type="text/plain; charset=utf-8", status_code=303, headers=headers)
