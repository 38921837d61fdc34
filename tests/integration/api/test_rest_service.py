"""The API around its books: instruments, state, limits, documents, and every kind of malformed request."""

import gzip
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from html.parser import HTMLParser
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from depthcast.api.problem_types import PROBLEMS
from tests.support.api_service import Api, api_over, api_settings
from tests.support.api_world import feed_of_the_world
from tests.support.gateways import run


def asked(
    test: Callable[[Api], Awaitable[None]], streams: Sequence[Any] | None = (), **settings: Any
) -> None:
    """Run a test with an API over the world."""

    async def main() -> None:
        given = api_settings(**settings)
        async with api_over(feed_of_the_world(), settings=given, streams=streams) as api:
            await test(api)

    run(main())


def test_instruments_are_listed_page_by_page() -> None:
    async def test(api: Api) -> None:
        page = (await api.get("/v1/instruments", params={"limit": 4})).json()
        assert page["total"] == 5
        names = [each["name"] for each in page["instruments"]]
        assert page["next"] == "/v1/instruments?offset=4&limit=4"
        rest = (await api.get(page["next"])).json()
        assert rest["next"] is None
        names += [each["name"] for each in rest["instruments"]]
        assert names == [
            "GLBX.MDP3:CLX5",
            "GLBX.MDP3:ESZ5",
            "GLBX.MDP3:NGF6",
            "GLBX.MDP3:SUSP",
            "GLBX.MDP3:10",
        ]

    asked(test)


def test_a_new_name_of_an_instrument_is_listed_at_once() -> None:
    async def test(api: Api) -> None:
        for name in ("OLD", "NEW"):
            api.replica.names.map(10, name)
            listed = [each["symbol"] for each in (await api.get("/v1/instruments")).json()["instruments"]]
            assert name in listed
        assert "OLD" not in listed
        assert (await api.get("/v1/instruments", params={"search": "old"})).json()["total"] == 0

    asked(test)


def test_a_look_through_many_instruments_costs_more_and_the_answer_says_so() -> None:
    async def main() -> None:
        limited = api_settings(requests_per_s=0.001, burst=10)
        async with api_over(feed_of_the_world(), settings=limited) as api:
            for number in range(10_000):
                api.replica.names.map(1_000 + number, f"X{number}")
            for left in (7, 4):  # one for the request, two for what is looked through
                answer = await api.get("/v1/instruments?search=X77&limit=1")
                assert answer.headers["ratelimit"].startswith(f'"requests";r={left};')
            one = await api.get("/v1/instruments/CLX5")
            assert one.headers["ratelimit"].startswith('"requests";r=3;')

    run(main())


def test_instruments_are_found_by_part_of_a_name() -> None:
    async def test(api: Api) -> None:
        response = await api.get("/v1/instruments", params={"search": "es"})
        [found] = response.json()["instruments"]
        assert (found["symbol"], found["publishers"]) == ("ESZ5", [1, 2])
        tag = response.headers["etag"]
        again = await api.get("/v1/instruments", params={"search": "es"}, headers={"If-None-Match": tag})
        assert again.status_code == 304
        one = (await api.get("/v1/instruments/CLX5")).json()
        assert one["definition"]["tick_size"] == "0.01"
        assert one["definition"]["exchange"] == "XNYM"
        assert (await api.get("/v1/instruments/10")).json()["definition"] is None

    asked(test)


def test_status_tells_of_every_feed() -> None:
    async def test(api: Api) -> None:
        status = (await api.get("/v1/status")).json()
        assert (status["stage"], status["stale"], status["age_ms"]) == ("running", False, 0)
        [feed] = status["feeds"]
        assert (feed["state"], feed["generation"], feed["books"]) == ("live", 1, 5)
        assert feed["records"] > 20
        stats = (await api.get("/v1/stats")).json()
        assert {each["hop"] for each in stats["hops"]} == {"gateway_to_applied", "venue_to_applied"}
        assert [each["hop"] for each in stats["requests"]] == ["/v1/status"]

    asked(test)


def test_limits_are_the_settings_and_whose_they_are() -> None:
    async def test(api: Api) -> None:
        limits = (await api.get("/v1/limits")).json()
        assert limits["principal"] == "anonymous"
        assert limits["scopes"] == ["read", "replay"]
        assert (limits["requests_per_s"], limits["burst"]) == (50.0, 70)
        assert limits["depths"] == [1, 5, 10, 25, 50, 100, 500]

    asked(test, requests_per_s=50.0, burst=70)


def test_metrics_are_prometheus_and_for_the_machine_itself() -> None:
    async def test(api: Api) -> None:
        await api.get("/v1/books/CLX5")
        async with api.connect(address="127.0.0.1") as local:
            response = await local.get("/v1/metrics")
            assert response.status_code == 200
            found = {family.name: family for family in text_string_to_metric_families(response.text)}
            [live] = found["depthcast_replica_live"].samples
            assert (live.value, live.labels["dataset"]) == (1.0, "GLBX.MDP3")
            answers = {each.labels["path"]: each.value for each in found["depthcast_api_requests"].samples}
            assert answers["/v1/books/{instrument}"] == 1
            forwarded = await local.get("/metrics", headers={"X-Forwarded-For": "198.51.100.1"})
            assert forwarded.status_code == 401
        assert (await api.get("/metrics")).status_code == 401

    asked(test)


def test_every_problem_is_described_by_the_api_itself() -> None:
    async def test(api: Api) -> None:
        listed = (await api.get("/v1/problems")).json()["problems"]
        assert {each["type"] for each in listed} == {f"/v1/problems/{name}" for name in PROBLEMS}
        for each in listed:
            assert (await api.get(each["type"])).json() == each
        assert (await api.get("/v1/problems/none")).status_code == 404

    asked(test)


INVALID = (
    ("/v1/books/CLX5?depth=ten", {"depth"}),
    ("/v1/books/CLX5?depth=-1&publisher=65536", {"depth", "publisher"}),
    ("/v1/books/CLX5?orders=perhaps&format=xml", {"orders", "format"}),
    ("/v1/books/CLX5?depth=10001", {"depth"}),
    ("/v1/books/CLX5?depth=", {"depth"}),
    ("/v1/books/CLX5?depth=1&depth=2", {"depth"}),
    ("/v1/books/CLX5?deph=1&x", {"deph", "x"}),
    ("/v1/books/CLX5?%00=%ff", {"\0"}),
    ("/v1/books/CLX5/bbo?depth=1", {"depth"}),
    ("/v1/status?x=1", {"x"}),
    ("/healthz?x=1", {"x"}),
    ("/v1/books/CLX5/levels/buy/1", {"side"}),
    ("/v1/books/CLX5/levels/bid/1e3", {"price"}),
    ("/v1/books/CLX5/levels/bid/1.0000000001", {"price"}),
    ("/v1/books/CLX5/levels/bid/٣", {"price"}),
    ("/v1/books/CLX5/levels/bid/9223372036.854775807", {"price"}),
    ("/v1/books/CLX5/orders/-1", {"order_id"}),
    ("/v1/books/CLX5/orders/184467440737095516150", {"order_id"}),
    ("/v1/books/" + "X" * 91, {"instrument"}),
    ("/v1/books/CLX5/trades?limit=0", {"limit"}),
    ("/v1/instruments?limit=1001&offset=-1&search=" + "x" * 91, {"limit", "offset", "search"}),
)
"""Requests, and the fields that are wrong with each."""


def test_what_is_wrong_with_a_request_is_said_field_by_field() -> None:
    async def test(api: Api) -> None:
        for path, fields in INVALID:
            response = await api.get(path)
            assert response.status_code == 422, path
            body = response.json()
            assert body["type"] == "/v1/problems/invalid-parameter"
            assert {each["field"] for each in body["errors"]} == fields, path
            for each in body["errors"]:
                assert each["message"]
                assert "`" not in each["message"]
                assert each["field"] in body["detail"]

    asked(test)


def test_paths_and_methods_that_are_not_there_are_problems_too() -> None:
    async def test(api: Api) -> None:
        for path in ("/no", "/v1", "/v1/nothing", "/v1/books", "/v2/books/CLX5", "/v1/books/CLX5/levels/bid"):
            response = await api.get(path)
            assert (response.status_code, response.json()["type"]) == (404, "/v1/problems/not-found"), path
        for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"):
            response = await api.client.request(method, "/v1/books/CLX5")
            assert response.status_code == 405
            assert response.json()["type"] == "/v1/problems/method-not-allowed"
            assert set(response.headers["allow"].split(", ")) >= {"GET", "OPTIONS"}
        options = await api.client.options("/v1/books/CLX5")
        assert options.status_code == 204

    asked(test)


def test_head_is_get_without_content() -> None:
    async def test(api: Api) -> None:
        got, head = await api.get("/v1/books/CLX5"), await api.client.head("/v1/books/CLX5")
        assert (head.status_code, head.content) == (200, b"")
        for name in ("etag", "content-length", "content-type", "depthcast-book"):
            assert head.headers[name] == got.headers[name]
        assert (await api.client.head("/v1/books/NOPE")).status_code == 404

    asked(test)


def test_events_are_got_and_nothing_else() -> None:
    async def test(api: Api) -> None:
        for method in ("HEAD", "POST"):
            response = await api.client.request(method, "/v1/events?book=CLX5")
            assert response.status_code == 405
        wrong = await api.get("/v1/events?boook=CLX5")
        assert wrong.json()["errors"][0]["field"] == "boook"
        assert (await api.get("/v1/stream")).status_code == 400
        stats = (await api.get("/v1/stats")).json()["requests"]
        assert stats == []

    asked(test, streams=None)


def test_requests_that_are_too_large_are_refused() -> None:
    async def test(api: Api) -> None:
        large = await api.client.request("GET", "/v1/books/CLX5", content=b"x" * 1001)
        assert (large.status_code, large.json()["type"]) == (413, "/v1/problems/content-too-large")
        assert (await api.client.request("GET", "/v1/books/CLX5", content=b"x" * 1000)).status_code == 200
        headers = await api.get("/v1/books/CLX5", headers={"X-Filling": "x" * 20_000})
        assert (headers.status_code, headers.json()["type"]) == (431, "/v1/problems/headers-too-large")
        address = await api.get("/v1/books/CLX5?depth=" + "1" * 9_000)
        assert (address.status_code, address.json()["type"]) == (414, "/v1/problems/uri-too-long")
        host = await api.get("/v1/books/CLX5", headers={"Host": "a b"})
        assert (host.status_code, host.json()["type"]) == (400, "/v1/problems/malformed-request")

    asked(test, body_bytes=1000)


def test_a_fault_is_told_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(api: Api) -> None:
        monkeypatch.setattr(type(api.replica), "sessions", property(lambda _: 1 / 0))
        response = await api.get("/v1/status")
        assert response.status_code == 500
        assert response.json()["type"] == "/v1/problems/internal-error"
        assert "Zero" not in response.text
        assert "Traceback" not in response.text
        assert response.headers["x-request-id"] == response.json()["request_id"]

    asked(test)


def test_every_answer_has_the_headers_that_protect_it() -> None:
    async def test(api: Api) -> None:
        for path in ("/v1/books/CLX5", "/v1/nothing", "/healthz", "/v1/reference", "/v1/openapi.json"):
            headers = (await api.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", headers["x-request-id"])

    asked(test)


def test_pages_of_allowed_origins_may_read() -> None:
    async def test(api: Api) -> None:
        ours, other = {"Origin": "https://desk.example"}, {"Origin": "https://evil.example"}
        answer = await api.get("/v1/books/CLX5", headers=ours)
        assert answer.headers["access-control-allow-origin"] == "https://desk.example"
        assert "ETag" in answer.headers["access-control-expose-headers"]
        assert "Origin" in answer.headers["vary"]
        problem = await api.get("/v1/books/NOPE", headers=ours)
        assert problem.headers["access-control-allow-origin"] == "https://desk.example"
        assert "access-control-allow-origin" not in (await api.get("/v1/books/CLX5", headers=other)).headers
        asking = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        preflight = await api.client.options("/v1/books/CLX5", headers={**ours, **asking})
        assert preflight.status_code == 204
        assert "Authorization" in preflight.headers["access-control-allow-headers"]
        refused = await api.client.options("/v1/books/CLX5", headers={**other, **asking})
        assert "access-control-allow-origin" not in refused.headers
        assert "access-control-allow-headers" not in refused.headers

    asked(test, cors_origins=("https://desk.example",))


def test_the_document_is_valid_and_its_examples_are_of_its_types() -> None:
    async def test(api: Api) -> None:
        document = (await api.get("/v1/openapi.json")).json()
        assert document["openapi"] == "3.1.0"
        components = {"$defs": document["components"]["schemas"]}
        definitions = json.loads(json.dumps(components).replace("#/components/schemas/", "#/$defs/"))
        checked = 0
        for item in document["paths"].values():
            for operation in item.values():
                assert operation["summary"]
                assert operation["description"]
                assert set(operation["responses"]) >= {"422", "429", "500", "default"}
                assert len({"200", "202", "204"} & set(operation["responses"])) == 1
                for parameter in operation["parameters"]:
                    assert parameter.get("description") or "$ref" in parameter
                for response in operation["responses"].values():
                    for media_type, content in response.get("content", {}).items():
                        if "contentMediaType" in content["schema"]:
                            continue  # no text
                        assert content["examples"], (operation["operationId"], media_type)
                        schema = json.loads(
                            json.dumps(content["schema"]).replace("#/components/schemas/", "#/$defs/")
                        )
                        for example in content["examples"].values():
                            jsonschema.Draft202012Validator({**schema, **definitions}).validate(
                                example["value"]
                            )
                            checked += 1
        assert checked > 100
        assert {path for path in document["paths"] if "{" not in path} >= {
            "/v1/instruments",
            "/v1/status",
            "/v1/stats",
            "/v1/limits",
            "/v1/healthz",
            "/v1/readyz",
            "/v1/metrics",
            "/v1/events",
        }

    asked(test, streams=None)


class _Page(HTMLParser):
    """What a page refers to, and what is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href":
                self.links.append(value or "")
            elif name in ("src", "style") or name.startswith("on"):
                self.outside.append(f"{tag} {name}")


def test_the_reference_page_needs_nothing_but_itself() -> None:
    async def test(api: Api) -> None:
        response = await api.get("/v1/reference")
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        policy = response.headers["content-security-policy"]
        assert re.match(r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}';", policy)
        page = _Page()
        page.feed(response.text)
        assert page.outside == []
        assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
        assert len(page.ids) == len(set(page.ids))
        for link in page.links:
            assert link == "/v1/openapi.json" or link[1:] in page.ids
        document = (await api.get("/v1/openapi.json")).json()
        operations = {each["operationId"] for item in document["paths"].values() for each in item.values()}
        assert operations <= set(page.ids)
        assert {f"type-{name}" for name in document["components"]["schemas"]} <= set(page.ids)

    asked(test)


def test_documents_are_compressed_and_live_books_are_not() -> None:
    async def test(api: Api) -> None:
        for path in ("/v1/openapi.json", "/v1/reference"):
            async with api.client.stream("GET", path) as packed:
                raw = b"".join([part async for part in packed.aiter_raw()])
                assert packed.headers["content-encoding"] == "gzip"
            assert "Accept-Encoding" in packed.headers["vary"]
            plain = await api.get(path, headers={"Accept-Encoding": "identity"})
            assert "content-encoding" not in plain.headers
            assert gzip.decompress(raw) == plain.content
            refused = await api.get(path, headers={"Accept-Encoding": "gzip;q=0"})
            assert "content-encoding" not in refused.headers
            again = await api.get(path, headers={"If-None-Match": plain.headers["etag"]})
            assert again.status_code == 304
        for path in ("/v1/books/CLX5", "/v1/status"):
            assert "content-encoding" not in (await api.get(path)).headers

    asked(test)
