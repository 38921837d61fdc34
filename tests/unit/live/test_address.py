"""Addresses of gateways as people write them."""

import pytest

from depthcast.live.address import Address, databento_address, is_databento, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("gateway", "gateway", 13_000),
        ("gateway:1", "gateway", 1),
        (" 10.0.0.1:65535 ", "10.0.0.1", 65_535),
        (":13001", "127.0.0.1", 13_001),
        ("[::1]:13001", "::1", 13_001),
        ("[fe80::1]", "fe80::1", 13_000),
        ("fe80::1", "fe80::1", 13_000),
        ("gateway:", "gateway", 13_000),
    ],
)
def test_an_address_is_read(text: str, host: str, port: int) -> None:
    assert parse_address(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", ":", "a b", "gateway:0", "gateway:65536", "gateway:x", "[::1", "[::1]x", "tcp://a:1", "a@b:1"],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_address(text)


def test_an_address_is_written_as_it_is_read() -> None:
    for text in ("gateway:13000", "[::1]:13001"):
        assert str(parse_address(text)) == text


def test_databento_is_where_its_dataset_is() -> None:
    assert databento_address("GLBX.MDP3") == Address("glbx-mdp3.lsg.databento.com", 13_000)
    assert is_databento("glbx-mdp3.lsg.databento.com")
    assert is_databento("XNAS-ITCH.LSG.DATABENTO.COM.")
    assert not is_databento("127.0.0.1")
