"""Forms that only pages of this server can send, and the cookies that they need."""

import re
from typing import Any, Final

from litestar import Request

from depthcast.api.auth import session_cookie
from depthcast.api.headers import header, is_own_page
from depthcast.api.runtime import runtime_of
from depthcast.api.sessions import FORM_S, cookie_value, new_secret

__all__ = ["browser_of", "cookie_header", "cookie_of", "is_own", "local_path", "new_form"]

MAX_PATH: Final = 1_024
_PATH: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*\Z")
"""A path of this server, with its query: no other host can be meant, by whatever reading."""
_BROWSER: Final = re.compile(r"[0-9a-f]{64}\Z")
_Request = Request[Any, Any, Any]


def local_path(text: str) -> str:
    """Where to go next, if that is on this server; else the first page."""
    return text if len(text) <= MAX_PATH and _PATH.match(text) else "/"


def new_form(request: _Request) -> tuple[str, dict[str, str]]:
    """The mark that a form carries, and the header with the cookie that it is bound to."""
    browser = browser_of(request) or new_secret()
    mark = runtime_of(request).sessions.mark(browser)
    return mark, cookie_header(request, _form_cookie(request), browser, FORM_S)


def is_own(request: _Request, mark: str, browser: str) -> bool:
    """Whether a form was made here for this browser, and sent by a page of ours."""
    marked = runtime_of(request).sessions.is_marked(mark, browser)
    fetched = header(request.scope["headers"], b"sec-fetch-site")
    return marked and fetched in (None, "same-origin") and is_own_page(request.scope["headers"])


def browser_of(request: _Request) -> str:
    """What the browser that asks was given with its last form; empty if nothing."""
    value = cookie_of(request, _form_cookie(request))
    return value if _BROWSER.match(value) else ""


def cookie_of(request: _Request, name: str) -> str:
    """A cookie of the request; empty if there is none, or more than one."""
    cookies = b"; ".join(value for each, value in request.scope["headers"] if each == b"cookie")
    return cookie_value(cookies, name)


def cookie_header(request: _Request, name: str, value: str, lasts_s: int) -> dict[str, str]:
    """A header that sets a cookie which scripts cannot read and other sites cannot have sent; 0 s ends it."""
    secure = "; Secure" if request.scope["state"]["https"] else ""
    return {"Set-Cookie": f"{name}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Strict{secure}"}


def _form_cookie(request: _Request) -> str:
    return session_cookie(https=request.scope["state"]["https"]) + "-form"
