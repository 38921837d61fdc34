"""``depthcast smoke``: check a running system from outside, as its users see it."""

import sys
from typing import Annotated, Final

from cyclopts import Parameter

from depthcast.cli._console import bold, colour, printable, table
from depthcast.cli._errors import Exit
from depthcast.cli._gateway_key import gateway_key
from depthcast.cli._options import Common
from depthcast.cli._output import print_out
from depthcast.errors import UsageError
from depthcast.live.address import parse_address
from depthcast.settings.secret_files import secret_variable

__all__ = ["smoke"]

_COMMON: Final = Common()
API_KEY: Final = "DEPTHCAST_API_KEY"


def smoke(
    url: Annotated[str, Parameter(help="The API's address: http://HOST:PORT or https://HOST.")],
    /,
    *,
    gateway: Annotated[str | None, Parameter(help="A gateway to subscribe to as well, HOST:PORT.")] = None,
    key: Annotated[str | None, Parameter(help="The gateway's key. (default: as for subscribe)")] = None,
    tls: Annotated[bool, Parameter(help="Connect to the gateway by TLS.")] = False,
    without: Annotated[tuple[str, ...], Parameter(help="A check to leave out: history, say.")] = (),
    timeout: Annotated[float, Parameter(help="Seconds for each. (default: 20)")] = 20.0,
    common: Common = _COMMON,
) -> int:
    """Check a running system from outside: readiness, REST, stream, page, history, gateway.

    The API's key is that of the variable DEPTHCAST_API_KEY, where it wants one. Exit code 5 if anything
    is not as it should be.

    For example:
      depthcast smoke http://127.0.0.1:8000
      depthcast smoke https://books.example.com --gateway feed.example.com:13001 --tls
    """
    from depthcast.cli._smoke import CHECKS, Target, carry_out

    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url}: expected an address that begins with http:// or https://")
    unknown = set(without) - CHECKS.keys()
    if unknown or not timeout > 0:
        raise UsageError(f"--without: one of {', '.join(CHECKS)}; --timeout: a number above 0")
    common.load_settings()
    target = Target(url.rstrip("/"), key=secret_variable(API_KEY), gateway_tls=tls, timeout_s=timeout)
    if gateway is not None:
        try:
            target.gateway = parse_address(gateway)
        except ValueError as error:
            raise UsageError(f"--gateway: {error}") from None
        target.gateway_key = gateway_key(key, target.gateway[0])
    results = carry_out(target, leave_out=without)
    rows = [
        (
            bold(each.name.ljust(8), sys.stdout),
            colour("ok    ", "32", sys.stdout) if each.ok else colour("failed", "31", sys.stdout),
            f"{each.took_ms:,.0f} ms".rjust(9),
            printable(each.said),
        )
        for each in results
    ]
    print_out(table(rows))
    return Exit.OK if all(each.ok for each in results) else Exit.AUDIT
