"""Who may ask what: every route by every state of a key, over HTTP."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from depthcast.api.auth import PUBLIC
from depthcast.api.key_file import ApiKeyFile
from depthcast.api.keys import ApiKey, make_api_key, new_token
from depthcast.api.problem_types import PROBLEMS
from tests.support.api_service import Api, api_over, api_settings
from tests.support.api_world import feed_of_the_world
from tests.support.gateways import run
from tests.support.raw_websocket import accepts_websocket, refused_websocket

STREAM: Final = "/v1/stream"
EVENTS: Final = "/v1/events"
HOUR_NS: Final = 3_600_000_000_000
ADMIN_PATHS: Final = {"/v1/metrics", "/metrics"}
PAGES: Final = "depthcast.api.pages."
"""Pages check for themselves, since they answer with pages: these are for readers."""
FOR_READERS: Final = {
    "/",
    "/market/figures",
    "/system",
    "/system/alarms",
    "/system/live",
    "/system/series",
    "/system/storage",
    "/books/CLX5",
    "/books/CLX5/history",
    "/books/CLX5/levels",
    "/books/CLX5/queue/bid/64.79",
    "/books/CLX5/stored",
}
FOR_A_DATABASE: Final = ("/v1/history", "/v1/exports")
"""Without one, who may ask is told what is missing in the question, or that the database is away."""
PARAMETERS: Final = {
    "/books/{name}": "/books/CLX5",
    "{instrument}": "CLX5",
    "{side}": "bid",
    "{price}": "64.79",
    "{order_id}": "1",
    "{name}": "starting",
}


class Tokens:
    """A token of every state a key can be in; those of which a hash is kept, are in the file."""

    def __init__(self, file: Path) -> None:
        self.file = ApiKeyFile(file)
        now_ns = time.time_ns()
        self.by_state: dict[str, str] = {}
        scopes = ("read", "replay", "admin")
        kept = [self._make(scope, scopes=(scope,), now_ns=now_ns) for scope in scopes]
        kept.append(
            self._make("expired", scopes=("admin",), now_ns=now_ns - HOUR_NS, expires_ns=now_ns - 10**9)
        )
        revoked = self._make("revoked", scopes=("admin",), now_ns=now_ns)
        kept.append(revoked)
        good = self.by_state["admin"]
        self.by_state["altered"] = good[:-2] + ("AA" if not good.endswith("AA") else "BB")
        self.by_state["unknown"] = new_token()
        self.by_state["no token"] = "s3cret"
        self.by_state["empty"] = ""
        self.by_state["long"] = good + "A" * 4_000
        self.by_state["not ASCII"] = "d\xfck_"
        self.file.change(lambda ring: ring.with_keys(kept).revoke(revoked, now_ns - 10**9))

    def _make(self, state: str, **arguments: Any) -> ApiKey:
        token = self.by_state[state] = new_token()
        return make_api_key(state, token, **arguments)


EXPECTED: Final[dict[str, tuple[str, str, str]]] = {
    # state: what a route for readers, for admins and for anybody answers
    "none": ("key-required", "key-required", "ok"),
    "read": ("ok", "scope-missing", "ok"),
    "replay": ("scope-missing", "scope-missing", "ok"),
    "admin": ("ok", "ok", "ok"),
    "expired": ("key-ended", "key-ended", "ok"),
    "revoked": ("key-ended", "key-ended", "ok"),
    "altered": ("key-invalid", "key-invalid", "ok"),
    "unknown": ("key-invalid", "key-invalid", "ok"),
    "no token": ("key-invalid", "key-invalid", "ok"),
    "empty": ("key-invalid", "key-invalid", "ok"),
    "long": ("key-invalid", "key-invalid", "ok"),
    "not ASCII": ("key-invalid", "key-invalid", "ok"),
}


@asynccontextmanager
async def guarded(folder: Path, **settings: Any) -> AsyncIterator[tuple[Api, Tokens]]:
    """An API that nobody reads without a key, and keys of every state."""
    tokens = Tokens(folder / "api-keys.json")
    given = api_settings(**{"anonymous_read": False, **settings})
    async with api_over(feed_of_the_world(), settings=given, keys_file=tokens.file.path, streams=None) as api:
        yield api, tokens


def routes(api: Api) -> dict[str, str]:
    """Every GET route there is, filled in, with the scope that it needs."""
    found = {}
    for route in api.app.routes:
        for handler in getattr(route, "route_handlers", ()):
            path = route.path_format
            if "GET" not in handler.http_methods or path.startswith("/static/"):
                continue
            for name, value in PARAMETERS.items():
                path = path.replace(name, value)
            found[path] = "admin" if path in ADMIN_PATHS else handler.opt.get("scope", "read")
            if handler.fn.__module__.startswith(PAGES) and path in FOR_READERS:
                found[path] = "read"
    return found


def test_every_route_by_every_state_of_a_key(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path) as (api, tokens):
            asked = routes(api)
            assert len(asked) >= 25
            assert set(asked) >= FOR_READERS
            assert {path for path, scope in asked.items() if scope == PUBLIC} == {
                "/favicon.ico",
                "/healthz",
                "/readyz",
                "/sign-in",
                "/v1/healthz",
                "/v1/openapi.json",
                "/v1/problems",
                "/v1/problems/starting",
                "/v1/readyz",
                "/v1/reference",
            }
            for state, answers in EXPECTED.items():
                headers = {}
                if state != "none":
                    headers["Authorization"] = "Bearer " + tokens.by_state[state]
                raw = {name: value.encode("latin-1") for name, value in headers.items()}
                for path, scope in asked.items():
                    wanted = answers[("read", "admin", PUBLIC).index(scope)]
                    response = await api.get(path, headers=raw)
                    if wanted == "ok":
                        let_in = (404, 422, 503) if path.startswith(FOR_A_DATABASE) else (200,)
                        assert response.status_code in let_in, (state, path, response.text)
                        continue
                    assert response.status_code == PROBLEMS[wanted].status, (state, path)
                    secret = tokens.by_state.get(state, "")[13:]
                    assert not secret or secret not in response.text
                    if path in FOR_READERS:
                        continue
                    assert response.json()["type"] == f"/v1/problems/{wanted}", (state, path)
                    assert response.headers["www-authenticate"].startswith('Bearer realm="depthcast"')

    run(main())


def test_both_streams_by_every_state_of_a_key(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path) as (api, tokens):
            for state, (wanted, _, _) in EXPECTED.items():
                token = tokens.by_state.get(state)
                headers = [] if token is None else [("authorization", f"Bearer {token}")]
                given = {name: value.encode("latin-1") for name, value in headers}
                events = await api.get(EVENTS, headers=given)  # asks for nothing: ends at once
                if wanted == "ok":
                    assert events.json()["type"] == "/v1/problems/invalid-parameter", state
                    assert await accepts_websocket(api.app, STREAM, headers), state
                    continue
                assert events.status_code == PROBLEMS[wanted].status, state
                assert events.json()["type"] == f"/v1/problems/{wanted}", state
                status, body = await refused_websocket(api.app, STREAM, headers)
                assert (status, body["type"]) == (PROBLEMS[wanted].status, f"/v1/problems/{wanted}"), state

    run(main())


def test_other_credentials_than_a_bearer_key(tmp_path: Path) -> None:
    others = (
        "Basic ZGVzazpwYXNz",
        "Bearer",
        "bearer",
        "Bearer  ",
        "",
        "dck_aaaaaaaa_x",
        "Bearer a, Bearer b",
    )

    async def main() -> None:
        async with guarded(tmp_path) as (api, _):
            for value in others:
                response = await api.get("/v1/status", headers={"Authorization": value})
                assert response.status_code == 401
                assert response.json()["type"] == "/v1/problems/key-invalid"

    run(main())


def test_a_wrong_key_is_refused_where_none_is_needed(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path, anonymous_read=True) as (api, tokens):
            assert (await api.get("/v1/status")).status_code == 200
            for state in ("expired", "unknown"):
                given = {"Authorization": f"Bearer {tokens.by_state[state]}"}
                assert (await api.get("/v1/status", headers=given)).status_code == 401

    run(main())


def test_the_scheme_has_no_case_and_two_keys_are_none(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path) as (api, tokens):
            token = tokens.by_state["read"]
            for value in (f"bearer {token}", f"BEARER   {token} "):
                assert (await api.get("/v1/status", headers={"Authorization": value})).status_code == 200
            twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
            assert (await api.client.get("/v1/status", headers=twice)).status_code == 401
            limits = (await api.get("/v1/limits", headers={"Authorization": f"Bearer {token}"})).json()
            assert (limits["principal"], limits["scopes"]) == (token[4:12], ["read"])

    run(main())


def test_a_key_revoked_while_the_service_runs_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path) as (api, tokens):
            headers = {"Authorization": f"Bearer {tokens.by_state['read']}"}
            assert (await api.get("/v1/status", headers=headers)).status_code == 200
            [key] = tokens.file.read().named("read")
            tokens.file.change(lambda ring: ring.revoke(key, time.time_ns()))
            assert (await api.get("/v1/status", headers=headers)).status_code == 401

    run(main())


def test_a_damaged_file_changes_nothing_until_it_is_mended(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path) as (api, tokens):
            headers = {"Authorization": f"Bearer {tokens.by_state['read']}"}
            before = tokens.file.path.read_bytes()
            tokens.file.path.write_bytes(b"{")
            assert (await api.get("/v1/status", headers=headers)).status_code == 200
            tokens.file.path.write_bytes(before.replace(b'"read"', b'"replay"'))
            os.utime(tokens.file.path, ns=(1, 1))
            assert (await api.get("/v1/status", headers=headers)).status_code == 403

    run(main())


def test_allowances_are_of_the_key_or_the_address(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path, requests_per_s=0.001, burst=3, anonymous_read=True) as (api, tokens):
            for left in (2, 1, 0):
                response = await api.get("/v1/problems")
                assert response.status_code == 200
                assert response.headers["ratelimit"].startswith(f'"requests";r={left};t=')
                assert response.headers["ratelimit-policy"] == '"requests";q=3;w=3000'
            refused = await api.get("/v1/problems")
            assert refused.status_code == 429
            assert refused.json()["type"] == "/v1/problems/rate-limited"
            assert 900 < int(refused.headers["retry-after"]) <= 1000
            assert (await api.get("/healthz")).status_code == 200
            key = {"Authorization": f"Bearer {tokens.by_state['read']}"}
            assert (await api.get("/v1/status", headers=key)).status_code == 200
            async with api.connect(address="203.0.113.8") as other:
                assert (await other.get("/v1/status")).status_code == 200
                assert (
                    await other.get("/v1/status", headers={"X-Forwarded-For": "1.2.3.4"})
                ).status_code == 200
                for _ in range(2):  # keys that are not accepted are counted with the address
                    await other.get("/v1/status", headers={"Authorization": "Bearer x"})
                assert (await other.get("/v1/status")).status_code == 429

    run(main())


def test_a_trusted_proxys_clients_have_allowances_of_their_own(tmp_path: Path) -> None:
    async def main() -> None:
        settings = {"requests_per_s": 0.001, "burst": 1, "anonymous_read": True}
        async with guarded(tmp_path, trusted_proxies=("203.0.113.0/24",), **settings) as (api, _):
            for client in ("198.51.100.1", "198.51.100.2", "2001:db8::1"):
                headers = {"X-Forwarded-For": f"9.9.9.9, {client}"}
                assert (await api.get("/v1/problems", headers=headers)).status_code == 200
                assert (await api.get("/v1/problems", headers=headers)).status_code == 429
            same = {"X-Forwarded-For": "2001:db8::ffff"}  # one IPv6 client has a whole /64
            assert (await api.get("/v1/problems", headers=same)).status_code == 429

    run(main())


def test_a_large_answer_costs_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path, requests_per_s=0.001, burst=10, anonymous_read=True) as (api, _):
            response = await api.get("/v1/openapi.json", headers={"Accept-Encoding": "identity"})
            size = len(response.content)
            assert size > 65_536
            assert response.headers["ratelimit"].startswith(f'"requests";r={9 - size // 65_536};')

    run(main())


def test_a_stream_of_another_origin_or_without_a_key_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with guarded(tmp_path) as (api, tokens):
            key = ("authorization", f"Bearer {tokens.by_state['read']}")
            for headers, name in (
                ([], "key-required"),
                ([key], "not-found"),
                ([("authorization", "Bearer x")], "key-invalid"),
                ([("sec-websocket-protocol", "depthcast, bearer.x")], "key-invalid"),
                ([key, ("origin", "https://evil.example")], "origin-refused"),
            ):
                path = "/v1/nothing" if name == "not-found" else STREAM
                status, body = await refused_websocket(api.app, path, headers)
                assert body["type"] == f"/v1/problems/{name}"
                assert status == body["status"]

    run(main())
