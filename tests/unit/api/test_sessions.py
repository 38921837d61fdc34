"""Sessions of browsers: made, found, ended; cookies; where one may be sent on to."""

import string
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.api.auth import Authenticator
from depthcast.api.keys import ApiKey, ApiKeyRing, make_api_key, new_token
from depthcast.api.pages.forms import local_path
from depthcast.api.sessions import FORM_S, MAX_COOKIES, Sessions, cookie_value

SECOND: Final = 1_000_000_000
NOW: Final = 1_800_000_000 * SECOND
SECRET: Final = "a secret of thirty-two characters"  # noqa: S105


class World:
    """Sessions over a ring of keys, at a time."""

    def __init__(self, secret: str = SECRET) -> None:
        self.now = NOW
        self.key = self._key("desk")
        self.other = self._key("other")
        self.ring = ApiKeyRing([self.key, self.other])
        self.sessions = self.made(secret)

    def made(self, secret: str) -> Sessions:
        return Sessions(secret, lasts_s=600, ring=lambda: self.ring, clock=lambda: self.now)

    def _key(self, name: str) -> ApiKey:
        return make_api_key(name, new_token(), scopes=("read",), now_ns=NOW, expires_ns=NOW + 86_400 * SECOND)


def test_a_session_is_its_keys_until_it_runs_out() -> None:
    world = World()
    session = world.sessions.begin(world.key)
    found = world.sessions.find(session)
    assert found is not None
    assert found.key == world.key
    assert found.ends_ns == NOW + 600 * SECOND
    world.now = found.ends_ns - 1
    assert world.sessions.find(session) is not None
    world.now = found.ends_ns
    assert world.sessions.find(session) is None


def test_any_process_with_the_same_secret_knows_it_and_no_other() -> None:
    world = World()
    session = world.sessions.begin(world.key)
    assert world.made(SECRET).find(session) is not None
    assert world.made(SECRET + "x").find(session) is None


def test_it_ends_with_its_key() -> None:
    world = World()
    session = world.sessions.begin(world.key)
    whole = world.ring
    world.ring = whole.revoke(world.key, world.now)
    assert world.sessions.find(session) is None
    world.ring = ApiKeyRing([world.other])
    assert world.sessions.find(session) is None
    # Another key with the same id is another key.
    token = f"dck_{world.key.id}_" + "A" * 43
    world.ring = ApiKeyRing([make_api_key("new", token, scopes=("read",), now_ns=NOW)])
    assert world.sessions.find(session) is None


def test_no_part_of_it_can_be_another() -> None:
    world = World()
    key_id, expires, mac = world.sessions.begin(world.key).split(".")
    for forged in (
        f"{world.other.id}.{expires}.{mac}",
        f"{key_id}.{int(expires) + 1}.{mac}",
        f"{key_id}.0{expires}.{mac}",
        f"{key_id}.{expires}.{'A' * 43}",
        f"{key_id}.{expires}.{mac}=",
        f"{key_id}.{expires}.{mac}\n",
        f"{key_id}.{expires}",
        "",
    ):
        assert world.sessions.find(forged) is None, forged


def test_a_short_secret_is_none() -> None:
    with pytest.raises(ValueError, match="32 characters"):
        World("short")


def test_a_forms_mark_is_of_one_browser_and_of_the_last_hour() -> None:
    world = World()
    mark = world.sessions.mark("one")
    assert world.sessions.is_marked(mark, "one")
    assert not world.sessions.is_marked(mark, "two")
    assert not world.sessions.is_marked(mark, "")
    assert not world.sessions.is_marked("", "one")
    assert not world.sessions.is_marked(world.sessions.begin(world.key), "one")
    world.now += FORM_S * SECOND
    assert not world.sessions.is_marked(mark, "one")


@given(st.text(max_size=80))
def test_whatever_is_sent_as_a_session_or_a_mark_is_none(text: str) -> None:
    world = World()
    assert world.sessions.find(text) is None
    assert not world.sessions.is_marked(text, "browser")


def test_a_cookie_is_found_among_others_and_not_where_there_are_two() -> None:
    assert cookie_value(b"a=1; depthcast=x.y; b=2", "depthcast") == "x.y"
    assert cookie_value(b"depthcast=x;depthcast2=y", "depthcast") == "x"
    assert cookie_value(b"xdepthcast=x", "depthcast") == ""
    assert cookie_value(b"depthcast=x; depthcast=y", "depthcast") == ""
    assert cookie_value(b"depthcast=x; a=" + b"b" * MAX_COOKIES, "depthcast") == ""


@given(st.binary(max_size=200))
def test_whatever_cookies_are_sent_a_request_has_a_principal(cookies: bytes) -> None:
    world = World()

    class Keys:
        ring = world.ring

    authenticator = Authenticator(
        Keys(),  # type: ignore[arg-type]
        anonymous_read=True,
        clock=lambda: world.now,
        sessions=world.sessions,
    )
    found = authenticator.principal([(b"cookie", cookies)], cookie="depthcast")
    assert found.anonymous
    good = b"depthcast=" + world.sessions.begin(world.key).encode()
    found = authenticator.principal([(b"cookie", good)], cookie="depthcast")
    assert (found.id, found.session_ends_ns) == (world.key.id, NOW + 600 * SECOND)
    assert authenticator.principal([(b"cookie", good)]).anonymous


@pytest.mark.parametrize("path", ["/", "/books/CLX5", "/books/GLBX.MDP3:CL%20X5?at=1&b=/x", "/?q=//e"])
def test_one_may_be_sent_on_within_the_server(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "books",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "/books\\x",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        " /books",
        "/\t/evil.example",
        "/books\r\nSet-Cookie: a=b",
        "/b\u00fccher",
        "/" + "a" * 2_000,
        "/books\n",
    ],
)
def test_and_nowhere_else(text: str) -> None:
    assert local_path(text) == "/"


@given(st.text(alphabet=string.printable, max_size=30))
def test_where_one_is_sent_on_to_never_names_a_host(text: str) -> None:
    path = local_path("/" + text)
    assert path[:1] == "/"
    assert path[1:2] not in ("/", "\\")
    assert path.isascii()
    assert path.isprintable()
