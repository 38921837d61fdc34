"""What all pages share: templates, static files, samples, the policy that browsers are held to."""

import gzip
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar.connection import Request

from depthcast.api.answers import Answer, encode
from depthcast.api.auth import principal_of, session_cookie
from depthcast.api.documents import takes_gzip
from depthcast.api.headers import header
from depthcast.api.market import Market
from depthcast.api.pages import numbers
from depthcast.api.pages.assets import Assets, web_folder
from depthcast.api.pages.board import Board
from depthcast.api.pages.forms import cookie_of, local_path, new_form
from depthcast.api.problems import ApiProblem
from depthcast.api.runtime import runtime_of
from depthcast.api.services import Services

__all__ = ["Site", "is_fragment", "market_state", "site_of"]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SHARED_S: Final = 0.9
MOST_SHARED: Final = 64
_SMALL: Final = 1_024
_HTML: Final = "text/html; charset=utf-8"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",  # by "no-referrer" forms would not say where they are from
    "Vary": "HX-Request, Accept-Encoding",
}


class _Part(NamedTuple):
    """A part of a page as it was rendered."""

    made_s: float
    body: bytes
    packed: bytes


class Site:
    """The pages of one application.

    Args:
        services: what is shown.
    """

    def __init__(self, services: Services) -> None:
        folder = web_folder()
        self.services = services
        self._shared: dict[str, _Part] = {}
        self.assets = Assets(folder / "static")
        self.board = Board(services.market, services.tape, services.clock)
        self._templates = Environment(
            loader=FileSystemLoader(folder / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals |= {"assets": self.assets, "version": services.version}
        self._templates.filters |= {
            "price": numbers.price_text,
            "signed": numbers.signed_text,
            "rate": numbers.rate_text,
            "clock": numbers.clock_text,
            "day": numbers.day_text,
            "lasting": numbers.lasting_text,
            "bytes": numbers.bytes_text,
        }

    def html(
        self, request: Request[Any, Any, Any], template: str, *, status_code: int = 200, **context: Any
    ) -> Answer:
        """A template's answer. Pages are of now: never kept."""
        body = self._templates.get_template(template).render(context | _signed_in(request)).encode()
        headers = dict(_HEADERS)
        body = _packed(request, body, headers)
        return Answer(body, media_type=_HTML, status_code=status_code, headers=headers)

    def shared(
        self, request: Request[Any, Any, Any], template: str, key: str, make: Callable[[], dict[str, Any]]
    ) -> Answer:
        """A part of a page that is the same for all who look: made at most once a second for all of them.

        Args:
            key: what it depends on, beside the time.
            make: gives what the template is given.
        """
        now = time.monotonic()
        part = self._shared.pop(f"{template} {key}", None)
        if part is None or now - part.made_s >= SHARED_S:
            body = self._templates.get_template(template).render(make()).encode()
            part = _Part(now, body, gzip.compress(body, 4, mtime=0))
        self._shared[f"{template} {key}"] = part
        while len(self._shared) > MOST_SHARED:
            del self._shared[next(iter(self._shared))]
        headers = dict(_HEADERS)
        if not takes_gzip(header(request.scope["headers"], b"accept-encoding") or ""):
            return Answer(part.body, media_type=_HTML, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return Answer(part.packed, media_type=_HTML, headers=headers)

    def data(self, request: Request[Any, Any, Any], payload: Any) -> Answer:
        """What a page's picture begins with, as JSON."""
        return self.packed(request, encode(payload))

    def packed(self, request: Request[Any, Any, Any], body: bytes) -> Answer:
        """JSON that is encoded already, compressed where the client takes that."""
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
        return Answer(_packed(request, body, headers), headers=headers)

    def problem(self, request: Request[Any, Any, Any], problem: ApiProblem) -> Answer:
        """A problem, as a page that says what to do."""
        if problem.type.status == 401 and not is_fragment(request):
            return self._signed_out(request, problem)
        answer = self.html(
            request,
            "problem_fragment.html" if is_fragment(request) else "problem.html",
            status_code=problem.type.status,
            problem=problem,
            feeds=[replica.name for replica in self.services.market.replicas],
        )
        answer.add(problem.headers)
        return answer

    def sign_in(
        self, request: Request[Any, Any, Any], wanted: str, *, status_code: int = 200, **said: str
    ) -> Answer:
        """The form to sign in with.

        Args:
            wanted: where to go then.
            said: ``why`` the last attempt failed; ``missing``: what is to be seen only with a key.
        """
        mark, cookie = new_form(request)
        context = {"why": "", "missing": "", **said}
        answer = self.html(
            request,
            "sign_in.html",
            status_code=status_code,
            wanted=wanted,
            mark=mark,
            principal=principal_of(request),
            **context,
        )
        answer.add(cookie)
        return answer

    def _signed_out(self, request: Request[Any, Any, Any], problem: ApiProblem) -> Answer:
        """The form in place of a page. Who comes from another site has left the session's cookie behind, and
        has it again when this page asks once more."""
        scope = request.scope
        if header(scope["headers"], b"sec-fetch-site") in ("cross-site", "same-site"):
            return self.html(request, "again.html")
        query = scope["query_string"].decode("latin-1")
        wanted = local_path(quote(scope["path"], safe="/:") + (f"?{query}" if query else ""))
        missing = problem.detail
        if problem.type.name == "key-required":
            missing = "This server shows its markets to those who have a key."
        answer = self.sign_in(request, wanted, status_code=problem.type.status, missing=missing)
        answer.add(problem.headers)
        return answer


def _signed_in(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """What pages show of who has signed in."""
    principal = principal_of(request)
    if principal.session_ends_ns is None:
        return {"signed_in": None, "sign_out_mark": ""}
    session = cookie_of(request, session_cookie(https=request.scope["state"]["https"]))
    return {"signed_in": principal, "sign_out_mark": runtime_of(request).sessions.mark(session)}


def _packed(request: Request[Any, Any, Any], body: bytes, headers: dict[str, str]) -> bytes:
    """A body, compressed where that is worth it and the client takes it; the headers then say so."""
    accepted = header(request.scope["headers"], b"accept-encoding") or ""
    if len(body) <= _SMALL or not takes_gzip(accepted):
        return body
    headers["Content-Encoding"] = "gzip"
    return gzip.compress(body, 4, mtime=0)


def site_of(request: Request[Any, Any, Any]) -> Site:
    """The site of the application that a request came to."""
    return cast("Site", request.scope["litestar_app"].state.site)


def is_fragment(request: Request[Any, Any, Any]) -> bool:
    """Whether htmx asks, for a part of a page, rather than a browser for all of it."""
    return header(request.scope["headers"], b"hx-request") is not None


def market_state(market: Market) -> str:
    """The worst state of its feeds: ``connecting``, ``stale`` or ``live``."""
    states = {replica.state.value for replica in market.replicas}
    return next(each for each in ("connecting", "stale", "live") if each in states)
