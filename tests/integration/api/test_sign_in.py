"""Signing in with a key, over HTTP: what a session may, what forms are taken, what ends it."""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from depthcast.api.key_file import ApiKeyFile
from depthcast.api.keys import ApiKey, make_api_key, new_token
from depthcast.api.sessions import Sessions
from depthcast.settings.layers import Secret
from tests.support.api_service import Api, api_over, api_settings
from tests.support.api_world import feed_of_the_world
from tests.support.gateways import run

OWN = {"Origin": "http://api.test"}


class Desk:
    """An API that nobody reads without a key, and one key."""

    def __init__(self, api: Api, file: ApiKeyFile, key: ApiKey, token: str) -> None:
        self.api = api
        self.file = file
        self.key = key
        self.token = token

    async def form(self, path: str = "/sign-in") -> dict[str, str]:
        """The hidden fields of the form on a page."""
        html = (await self.api.get(path)).text
        return dict(re.findall(r'name="(mark|next)" value="([^"]*)"', html))

    async def sign_in(self, path: str = "/sign-in", **fields: str) -> httpx.Response:
        form = await self.form(path)
        return await self.post({**form, "key": self.token, **fields})

    async def post(
        self, fields: dict[str, str], headers: dict[str, str] | None = None, path: str = "/sign-in"
    ) -> httpx.Response:
        return await self.api.client.post(path, data=fields, headers=OWN if headers is None else headers)

    async def status(self, path: str = "/v1/books/CLX5") -> int:
        return (await self.api.get(path)).status_code


@asynccontextmanager
async def desk(folder: Path, *, scopes: tuple[str, ...] = ("read",), **settings: Any) -> AsyncIterator[Desk]:
    token = new_token()
    key = make_api_key("desk <7>", token, scopes=scopes, now_ns=time.time_ns())
    file = ApiKeyFile(folder / "api-keys.json")
    file.change(lambda ring: ring.with_keys([key]))
    given = api_settings(anonymous_read=False, **settings)
    async with api_over(feed_of_the_world(), settings=given, keys_file=file.path, streams=None) as api:
        yield Desk(api, file, key, token)


def signed(test: Callable[[Desk], Awaitable[None]], folder: Path, **settings: Any) -> None:
    async def main() -> None:
        async with desk(folder, **settings) as found:
            await test(found)

    run(main())


def test_a_key_opens_the_pages_and_the_answers_to_get(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        assert await desk.status() == 401
        answer = await desk.sign_in("/books/CLX5?a=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/books/CLX5?a=1")
        cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("depthcast="))
        assert desk.token[13:] not in cookie
        for part in ("; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=43200"):
            assert part in cookie
        assert "Secure" not in cookie
        for path in ("/", "/books/CLX5", "/system", "/v1/books/CLX5", "/v1/status"):
            assert await desk.status(path) == 200, path
        html = (await desk.api.get("/")).text
        assert "desk &lt;7&gt;" in html
        assert "Sign out" in html
        assert (await desk.api.client.head("/v1/books/CLX5")).status_code == 200

    signed(test, tmp_path)


def test_a_session_allows_what_its_key_does_and_no_more(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        await desk.sign_in()
        assert await desk.status("/v1/metrics") == 403
        assert await desk.status("/v1/books/CLX5?at=2025-01-01T00:00:00Z") == 403

    signed(test, tmp_path)


def test_a_key_that_is_sent_counts_more_than_the_session(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        await desk.sign_in()
        answer = await desk.api.get("/v1/books/CLX5", headers={"Authorization": "Bearer " + new_token()})
        assert answer.status_code == 401

    signed(test, tmp_path)


def test_nothing_but_reading_is_done_with_a_session(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        await desk.sign_in()
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            await desk.api.client.request(method, "/v1/limits", headers=OWN)
        principals = []
        app = desk.api.app.asgi_handler
        for method in ("GET", "POST"):
            cookie = desk.api.client.cookies["depthcast"]
            scope: dict[str, Any] = {
                "type": "http",
                "method": method,
                "path": "/v1/limits",
                "query_string": b"",
                "headers": [(b"cookie", f"depthcast={cookie}".encode())],
            }

            async def nothing(*_: object) -> dict[str, Any]:
                return {"type": "http.request", "body": b"", "more_body": False}

            await app(scope, nothing, nothing)
            principals.append(scope["state"]["principal"].id)
        assert principals == [desk.key.id, "anonymous"]

    signed(test, tmp_path)


def test_a_wrong_or_ended_key_is_said_and_opens_nothing(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        for wrong in ("", "x", new_token(), desk.token[:-1], "k" * 500):
            answer = await desk.sign_in(key=wrong)
            assert answer.status_code == 401, wrong
            assert "There is no such key" in answer.text
            assert "depthcast=" not in str(answer.headers.get_list("set-cookie"))
        desk.file.change(lambda ring: ring.revoke(desk.key, time.time_ns() - 10**9))
        answer = await desk.sign_in()
        assert answer.status_code == 401
        assert "The key is revoked" in answer.text
        assert desk.token[13:] not in answer.text
        assert await desk.status() == 401

    signed(test, tmp_path, sign_ins_per_minute=1_000.0)


def test_a_revoked_key_ends_its_sessions(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        await desk.sign_in()
        assert await desk.status() == 200
        desk.file.change(lambda ring: ring.revoke(desk.key, time.time_ns() - 10**9))
        assert await desk.status() == 401
        assert await desk.status("/") == 401

    signed(test, tmp_path)


def test_only_a_form_of_this_page_and_this_browser_is_taken(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        form = {**await desk.form(), "key": desk.token}
        for headers in (
            {},
            {"Origin": "null"},
            {"Origin": "http://evil.example"},
            {"Origin": "http://api.test.evil.example"},
            {**OWN, "Sec-Fetch-Site": "cross-site"},
            {**OWN, "Sec-Fetch-Site": "same-site"},
        ):
            assert (await desk.post(form, headers)).status_code == 403, headers
        assert (await desk.post({**form, "mark": ""})).status_code == 403
        other = desk.api.connect()
        stolen = re.findall(r'name="mark" value="([^"]*)"', (await other.get("/sign-in")).text)[0]
        assert (await desk.post({**form, "mark": stolen})).status_code == 403
        assert (await other.post("/sign-in", data=form, headers=OWN)).status_code == 403
        assert await desk.status() == 401
        await other.aclose()
        assert (await desk.post(form)).status_code == 303

    signed(test, tmp_path, sign_ins_per_minute=1_000.0)


def test_forms_of_any_other_shape_sign_nobody_in(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        form = {**await desk.form(), "key": desk.token}
        post = desk.api.client.post
        assert (await post("/sign-in", json=form, headers=OWN)).status_code == 403
        assert (await post("/sign-in", headers=OWN)).status_code == 403
        encoded = {**OWN, "Content-Type": "application/x-www-form-urlencoded"}
        assert (await post("/sign-in", content=b"\xff" * 99, headers=encoded)).status_code == 403
        assert (await post("/sign-in", content=b"a=1&" * 99, headers=encoded)).status_code == 403
        assert (await post("/sign-in", content=b"a" * 9_000, headers=encoded)).status_code == 413

        async def unending() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"a" * 1_000

        assert (await post("/sign-in", content=unending(), headers=encoded)).status_code == 413
        assert await desk.status() == 401

    signed(test, tmp_path, sign_ins_per_minute=1_000.0)


def test_one_is_never_sent_on_to_another_server(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        for wanted in ("//evil.example", "https://evil.example/", "/\\evil.example", "/a\r\nX: y"):
            answer = await desk.sign_in(next=wanted)
            assert (answer.status_code, answer.headers["location"]) == (303, "/"), wanted
        html = (await desk.api.get("/sign-in?next=//evil.example")).text
        assert "evil.example" not in html

    signed(test, tmp_path, sign_ins_per_minute=1_000.0)


def test_attempts_are_counted_by_address(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        form = await desk.form()
        for _ in range(3):
            assert (await desk.post({**form, "key": "x"})).status_code == 401
        answer = await desk.post({**form, "key": desk.token})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert "Too many attempts" in answer.text
        elsewhere = desk.api.connect(address="198.51.100.9")
        elsewhere.cookies = desk.api.client.cookies
        answer = await elsewhere.post("/sign-in", data={**form, "key": desk.token}, headers=OWN)
        assert answer.status_code == 303
        await elsewhere.aclose()

    signed(test, tmp_path, sign_ins_per_minute=3.0)


def test_behind_a_proxy_with_tls_the_cookies_are_secure_and_no_others_count(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        tls = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.9"}
        client = desk.api.connect(address="10.0.0.1", headers=tls)
        page = await client.get("/sign-in")
        form = dict(re.findall(r'name="(mark|next)" value="([^"]*)"', page.text))
        jar = _cookies(page)
        assert list(jar) == ["__Host-depthcast-form"]
        headers = {**OWN, "Cookie": _header(jar)}
        answer = await client.post("/sign-in", data={**form, "key": desk.token}, headers=headers)
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-depthcast=")
        assert cookie.endswith("; Secure")
        jar |= _cookies(answer)
        assert (await client.get("/", headers={"Cookie": _header(jar)})).status_code == 200
        plain = {"Cookie": _header({"depthcast": jar["__Host-depthcast"]})}
        assert (await client.get("/", headers=plain)).status_code == 401
        # A client that only says it was proxied is not believed.
        direct = await desk.api.get("/sign-in", headers=tls)
        assert list(_cookies(direct)) == ["depthcast-form"]
        await client.aclose()

    signed(test, tmp_path, trusted_proxies=("10.0.0.0/8",))


def test_signing_out_ends_it_and_only_by_the_pages_own_form(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        await desk.sign_in()
        html = (await desk.api.get("/")).text
        mark = re.findall(r'action="/sign-out".*?name="mark" value="([^"]*)"', html, re.S)[0]
        evil = {"Origin": "http://evil.example"}
        assert (await desk.post({"mark": mark}, evil, "/sign-out")).status_code == 403
        assert (await desk.post({"mark": "1.x"}, None, "/sign-out")).status_code == 403
        assert await desk.status("/") == 200
        answer = await desk.post({"mark": mark}, None, "/sign-out")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert await desk.status("/") == 401

    signed(test, tmp_path)


def test_who_comes_from_another_site_is_asked_again_by_this_one(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        answer = await desk.api.get("/books/CLX5", headers={"Sec-Fetch-Site": "cross-site"})
        assert '<meta http-equiv="refresh" content="0">' in answer.text
        assert "64.7" not in answer.text

    signed(test, tmp_path)


def test_a_session_that_runs_out_shows_the_form_again(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        desk.api.client.cookies.set("depthcast", desk.key.id + ".1800000000." + "A" * 43)
        answer = await desk.api.get("/books/CLX5")
        assert answer.status_code == 401
        assert (await desk.sign_in("/books/CLX5")).headers["location"] == "/books/CLX5"

    signed(test, tmp_path)


def test_a_session_that_runs_out_takes_its_streams_with_it(tmp_path: Path) -> None:
    of_all = "what all processes sign sessions with"

    async def test(desk: Desk) -> None:
        keys = desk.api.services.keys
        short = Sessions(of_all, lasts_s=2, ring=lambda: keys.ring, clock=time.time_ns)
        desk.api.client.cookies.set("depthcast", short.begin(desk.key))
        answer = await desk.api.get("/v1/events?bbo=CLX5")
        assert answer.status_code == 200
        assert "event: bbo" in answer.text
        assert '"code":"key_ended"' in answer.text
        assert "sign in again" in answer.text
        assert await desk.status() == 401

    signed(test, tmp_path, session_secret=Secret(of_all))


def _cookies(answer: httpx.Response) -> dict[str, str]:
    pairs = [each.partition(";")[0].partition("=") for each in answer.headers.get_list("set-cookie")]
    return {name: value for name, _, value in pairs}


def _header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())
