"""What is looked at before any handler runs: who asks, and whether for something that there is."""

import difflib
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request
from litestar.handlers import HTTPRouteHandler

from depthcast.api.auth import require
from depthcast.api.problems import FieldError, invalid_fields

__all__ = ["admit"]


async def admit(request: Request[Any, Any, Any]) -> None:
    """Let a request pass, or not.

    A route needs the scope that its ``opt`` names, ``read`` where it names none; ``replay`` where ``at=``
    asks for the past. (Litestar's guards would do as well, but are given a copy of the handler each time.)

    Raises:
        ApiProblem: no key, a wrong one, or one without the scope; parameters that are unknown or given twice.
            A misspelt parameter that is silently ignored would give wrong data.
    """
    handler = request.route_handler
    query = request.scope["query_string"]
    declared = handler.opt.get("operation")
    past = bool(query) and declared is not None and declared.past and asks_for_the_past(query)
    require(request, "replay" if past else handler.opt.get("scope", "read"))
    if query:
        errors = _errors(handler, query)
        if errors:
            raise invalid_fields(errors)


def asks_for_the_past(query: bytes) -> bool:
    """Whether a query string has ``at``."""
    return any(name == "at" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))


@lru_cache(1024)
def _errors(handler: HTTPRouteHandler, query: bytes) -> tuple[FieldError, ...]:
    """What is wrong with the names in a query string."""
    fields = handler.parsed_fn_signature.parameters
    known = [
        name
        for name, field in fields.items()
        if getattr(field.kwarg_definition, "param_type", None) == "query"
    ]
    errors, seen = [], set()
    for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in known:
            errors.append(FieldError(name, _unknown(name, known), "query"))
        elif name in seen:
            errors.append(FieldError(name, "is given more than once", "query"))
        seen.add(name)
    return tuple(errors)


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"there is no such parameter; do you mean {close[0]}?"
    return f"there is no such parameter; there are {', '.join(known)}" if known else "there are no parameters"
