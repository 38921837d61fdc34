"""Headers: whose address it is, which origins may read, which entity tags a client has."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.api import etags
from depthcast.api.auth import Authenticator
from depthcast.api.documents import Document, takes_gzip
from depthcast.api.headers import Addresses, Origins, client_key, is_local
from depthcast.api.key_file import ApiKeyFile, ApiKeys
from depthcast.errors import SettingsError


def scope(client: str | None, *forwarded: str, other: str | None = None) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded]
    if other is not None:
        headers.append((b"forwarded", other.encode()))
    return {"client": None if client is None else (client, 1), "headers": headers}


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "address"),
    [
        ((), "192.0.2.1", (), "192.0.2.1"),
        ((), "192.0.2.1", ("1.2.3.4",), "192.0.2.1"),
        (("10.0.0.0/8",), "192.0.2.1", ("1.2.3.4",), "192.0.2.1"),
        (("10.0.0.0/8",), "10.0.0.1", (), "10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", ("1.2.3.4",), "1.2.3.4"),
        (("10.0.0.0/8",), "10.0.0.1", ("6.6.6.6, 1.2.3.4",), "1.2.3.4"),
        (("10.0.0.0/8",), "10.0.0.1", ("6.6.6.6", "1.2.3.4, 10.0.0.2"), "1.2.3.4"),
        (("10.0.0.0/8",), "10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        (("10.0.0.0/8",), "10.0.0.1", ("nonsense",), "10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", ("nonsense, 10.0.0.9",), "10.0.0.9"),
        (("10.0.0.0/8",), "10.0.0.1", ("1.2.3.4:567",), "1.2.3.4"),
        (("10.0.0.1",), "10.0.0.1", ("[2001:db8::1]:443",), "2001:db8::1"),
        (("::1",), "::1", ("2001:db8::1",), "2001:db8::1"),
        (("10.0.0.0/8",), None, ("1.2.3.4",), "unknown"),
        (("10.0.0.0/8",), "::ffff:10.0.0.1", ("1.2.3.4",), "1.2.3.4"),
        (("10.0.0.0/8",), "::ffff:192.0.2.1", ("1.2.3.4",), "::ffff:192.0.2.1"),
        (("10.0.0.0/8",), "10.0.0.1", ("6.6.6.6, ::ffff:1.2.3.4, ::ffff:10.0.0.2",), "1.2.3.4"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_believed(
    trusted: tuple[str, ...], peer: str | None, forwarded: tuple[str, ...], address: str
) -> None:
    assert Addresses(trusted).client(scope(peer, *forwarded)) == address


@given(st.lists(st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60), max_size=5))
def test_a_client_behind_a_proxy_cannot_pass_for_another(forged: list[str]) -> None:
    written = ", ".join([*forged, "198.51.100.7"])  # the proxy adds whom it saw
    assert Addresses(["10.0.0.0/8"]).client(scope("10.0.0.1", written)) == "198.51.100.7"


def test_a_proxy_that_is_no_address_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"api\.trusted_proxies: .*proxy\.internal"):
        Addresses(["proxy.internal"])


@pytest.mark.parametrize("origin", ["desk.example", "https://", "https://desk.example/page", "", "null"])
def test_an_origin_that_is_none_is_refused(origin: str) -> None:
    with pytest.raises(SettingsError, match=r"api\.cors_origins"):
        Origins([origin])


def test_local_is_the_same_machine_and_no_proxy() -> None:
    assert is_local(scope("127.0.0.1"))
    assert is_local(scope("::1"))
    assert is_local(scope("::ffff:127.0.0.1"))
    for other in (
        scope("192.0.2.1"),
        scope(None),
        scope("127.0.0.1", "1.2.3.4"),
        scope("127.0.0.1", other="for=1.2.3.4"),
        scope("unix"),
    ):
        assert not is_local(other)


def test_an_ipv6_client_has_a_whole_64() -> None:
    assert client_key("2001:db8:1:2:3:4:5:6") == client_key("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert client_key("::ffff:192.0.2.1") == "192.0.2.1"
    assert client_key("192.0.2.1") == "192.0.2.1"
    assert client_key("unknown") == "unknown"


@pytest.mark.parametrize(
    ("given_tags", "matches"),
    [
        ('W/"a.b"', True),
        ('"a.b"', True),
        ('"x", W/"a.b"', True),
        ("*", True),
        ('"a"', False),
        ("a.b", False),
        ("", False),
        ('W/"a.b', False),
    ],
)
def test_tags_are_compared_weakly(given_tags: str, matches: bool) -> None:
    assert etags.matches(given_tags, etags.weak("a", "b")) is matches


def test_a_socket_may_be_opened_from_our_own_pages_and_from_allowed_ones() -> None:
    origins = Origins(["https://desk.example"])
    host = (b"host", b"api.example:8000")
    for origin, allowed in (
        (b"https://desk.example", True),
        (b"http://api.example:8000", True),
        (b"http://api.example", False),
        (b"https://evil.example", False),
        (b"null", False),
    ):
        assert origins.may_connect([host, (b"origin", origin)]) is allowed
    assert origins.may_connect([host])
    assert Origins(["*"]).may_connect([host, (b"origin", b"https://any.example")])


def test_no_origin_is_allowed_by_default() -> None:
    assert not Origins()
    assert Origins().answer_headers("https://desk.example") == []
    assert dict(Origins(["*"]).answer_headers("https://x"))[b"access-control-allow-origin"] == b"*"


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("br", False),
        ("", False),
        ("identity, gzipped", False),
    ],
)
def test_gzip_only_where_it_is_taken(accepted: str, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


def test_equal_documents_are_equal_bytes() -> None:
    assert Document.of(b"x" * 1000, "text/plain") == Document.of(b"x" * 1000, "text/plain")


@given(st.lists(st.binary(max_size=120), max_size=3))
def test_no_authorization_header_raises(values: list[bytes]) -> None:
    keys = ApiKeys(ApiKeyFile(Path("no-such-file.json")), reload_s=1e9)
    found = Authenticator(keys, anonymous_read=True, clock=lambda: 0).principal(
        [(b"authorization", value) for value in values]
    )
    assert found.allows("read") is (not values)
    assert not found.allows("admin")
