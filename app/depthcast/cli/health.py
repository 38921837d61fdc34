"""``depthcast health``: whether the feed or the API on this machine is ready; for what starts containers."""

import json
import urllib.request
from http.client import HTTPException
from typing import Annotated, Final
from urllib.error import HTTPError

from cyclopts import Parameter

from depthcast.cli._console import warn
from depthcast.cli._errors import Exit
from depthcast.cli._options import Common
from depthcast.cli._output import print_out
from depthcast.errors import UsageError
from depthcast.live.address import parse_address
from depthcast.settings import Settings

__all__ = ["health"]

_COMMON: Final = Common()
TIMEOUT_S: Final = 3.0
MAX_BYTES: Final = 64 << 10
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 # nosec B104 - asked, not bound


def health(
    url: Annotated[str | None, Parameter(help="What to ask. (default: /readyz of both, here)")] = None,
    /,
    *,
    common: Common = _COMMON,
) -> int:
    """Say whether a process is ready: exit code 0 if so, 5 if it is not or does not answer.

    Without an address the API of this machine is asked (api.listen), then the feed (feed.admin): it is
    enough that one of them is ready, and neither may say that it is not.

    For example:
      depthcast health
      depthcast health http://10.0.0.7:13080/readyz
    """
    urls = [url] if url else here(common.load_settings().settings)
    answers = [_ask(each) for each in urls]
    for each, (status, said) in zip(urls, answers, strict=True):
        if status == 200:
            print_out(f"{each}: ready\n")
        elif status or len(urls) == 1:
            warn(f"{each}: {said}")
    found = [status for status, _ in answers if status]
    if not found and len(urls) > 1:
        warn(f"nothing answers at {' or '.join(urls)}")
    return Exit.OK if found and all(status == 200 for status in found) else Exit.AUDIT


def here(settings: Settings) -> list[str]:
    """The addresses at which an API and a feed of this machine say whether they are ready."""
    places = [settings.api.listen]
    if settings.feed.admin != "none":
        places.append(settings.feed.admin)
    found = []
    for place in places:
        address = parse_address(place)
        host = _ANYWHERE.get(address.host, address.host)
        found.append(f"http://{f'[{host}]' if ':' in host else host}:{address.port}/readyz")
    return found


def _ask(url: str) -> tuple[int, str]:
    """The status, 0 where there is no answer, and what was said."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url}: expected an address that begins with http:// or https://")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 # nosec B310 - http(s) alone
            return answer.status, ""
    except HTTPError as error:
        with error:
            return error.code, _reason(error.read(MAX_BYTES)) or f"status {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        return 0, f"no answer ({getattr(error, 'reason', None) or error})"


def _reason(body: bytes) -> str:
    """What is wrong, as the process says it."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    return json.dumps(said, separators=(", ", ": "))
