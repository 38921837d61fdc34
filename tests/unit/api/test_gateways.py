"""Gateways as they are written on the command line and in settings."""

import pytest

from depthcast.api.gateways import Gateway, parse_gateway
from depthcast.errors import UsageError
from depthcast.live.address import Address


@pytest.mark.parametrize(
    ("text", "gateway"),
    [
        ("feed:13001", Gateway(Address("feed", 13001), "GLBX.MDP3")),
        ("feed", Gateway(Address("feed", 13000), "GLBX.MDP3")),
        (":13001/XSIM.MBO", Gateway(Address("127.0.0.1", 13001), "XSIM.MBO")),
        (" 10.0.0.7:1/A.B ", Gateway(Address("10.0.0.7", 1), "A.B")),
        ("[::1]:13001/A.B", Gateway(Address("::1", 13001), "A.B")),
        (
            "xnas-itch.lsg.databento.com",
            Gateway(Address("xnas-itch.lsg.databento.com", 13000), "XNAS.ITCH"),
        ),
        (
            "xnas-itch.lsg.databento.com:13000/OTHER",
            Gateway(Address("xnas-itch.lsg.databento.com", 13000), "OTHER"),
        ),
    ],
)
def test_a_gateway_and_its_dataset(text: str, gateway: Gateway) -> None:
    assert parse_gateway(text, "GLBX.MDP3") == gateway


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected HOST:PORT"),
        ("feed:0", "expected a port"),
        ("feed:x/A.B", "expected a port"),
        ("a b:1", "expected HOST:PORT"),
        ("feed:1/", "expected HOST:PORT or HOST:PORT/DATASET"),
        ("feed:1/WAY.TOO.LONG.FOR.ONE", "expected HOST:PORT or HOST:PORT/DATASET"),
        ("feed:1/A\tB", "expected HOST:PORT or HOST:PORT/DATASET"),
    ],
)
def test_what_is_no_gateway_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_gateway(text, "GLBX.MDP3")
