"""Whether what the REST API says can be trusted: lost, refused, absent feeds, and a service that drains."""

import pytest

from tests.support.api_service import Api
from tests.support.gateways import run, until
from tests.support.rest import asked, problem, world


def test_lost_data_is_told_as_stale_whatever_the_client_has() -> None:
    async def test(api: Api) -> None:
        tag = (await api.get("/v1/books/CLX5")).headers["etag"]
        await api.served[0].gateway.close()
        await until(lambda: api.replica.stale_since_ns is not None)
        response = await api.get("/v1/books/CLX5", headers={"If-None-Match": tag})
        assert response.status_code == 200
        feed = response.json()["feed"]
        assert (feed["state"], feed["stale"]) == ("stale", True)
        assert feed["stale_since"] == str(api.replica.stale_since_ns)
        assert "stale=?1" in response.headers["depthcast-book"]
        dbn = await api.get("/v1/books/CLX5?format=dbn")
        assert "stale=?1" in dbn.headers["depthcast-book"]
        same = await api.get("/v1/books/CLX5", headers={"If-None-Match": response.headers["etag"]})
        assert same.status_code == 304
        assert "stale=?1" in same.headers["depthcast-book"]
        missing = await api.get("/v1/books/CLX5/orders/424242")
        assert problem(missing, 404, "unknown-order")["feed"]["stale"]
        assert "may be there by now" in missing.json()["detail"]
        assert "stale=?1" in missing.headers["depthcast-book"]
        assert (await api.get("/readyz")).status_code == 200
        status = (await api.get("/v1/status")).json()
        assert (status["stale"], status["feeds"][0]["state"]) == (True, "stale")

    asked(test)


def test_the_age_of_stale_data_grows() -> None:
    now_ns = 0

    async def main() -> None:
        nonlocal now_ns
        async with world(clock=lambda: now_ns) as api:
            await api.served[0].gateway.close()
            await until(lambda: api.replica.stale_since_ns is not None)
            now_ns = (api.replica.stale_since_ns or 0) + 600_000_000_000
            response = await api.get("/v1/books/CLX5/trades")
            assert response.json()["feed"]["age_ms"] == 600_000
            assert response.headers["depthcast-book"].endswith("stale=?1, age_ms=600000")
            assert (await api.get("/readyz")).status_code == 200

    run(main())


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"key": "db-wrongwrongwrongwrongwrongwron"}, "key refused"),
        ({"dataset": "XNAS.ITCH"}, "dataset refused: the gateway refused the session: The dataset here is"),
    ],
    ids=["key", "dataset"],
)
def test_a_gateway_that_refuses_us_is_named_with_its_reason(wrong: dict[str, str], why: str) -> None:
    async def main() -> None:
        async with world(filled=False, **wrong) as api:
            await until(lambda: "refused" in api.replica.reason)
            detail = problem(await api.get("/readyz"), 503, "not-ready")["detail"]
            assert "starting" in detail
            assert api.replica.name in detail
            assert why in detail
            status = (await api.get("/v1/status")).json()
            assert (status["stage"], status["feeds"][0]["state"]) == ("starting", "connecting")
            assert status["feeds"][0]["reason"] in detail
            assert not any(secret in str(status) for secret in wrong.values() if "wrong" in secret)

    run(main())


def test_a_feed_that_was_never_there_is_starting_and_not_ready() -> None:
    async def main() -> None:
        async with world(filled=False, key="db-wrongwrongwrongwrongwrongwron") as api:
            await until(lambda: "refused" in api.replica.reason)
            for path in (
                "/v1/books/CLX5",
                "/v1/instruments",
                "/v1/instruments/CLX5",
                "/v1/books/CLX5/trades",
            ):
                response = await api.get(path)
                assert "refused" in problem(response, 503, "starting")["detail"]
                assert response.headers["retry-after"] == "2"
            problem(await api.get("/readyz"), 503, "not-ready")
            assert (await api.get("/healthz")).status_code == 200
            [feed] = (await api.get("/v1/status")).json()["feeds"]
            assert (feed["state"], feed["ready"]) == ("connecting", False)
            assert "refused" in feed["reason"]

    run(main())


def test_a_draining_service_is_not_ready_and_still_answers() -> None:
    async def test(api: Api) -> None:
        api.services.lifecycle.drain()
        assert "draining" in problem(await api.get("/readyz"), 503, "not-ready")["detail"]
        assert (await api.get("/healthz")).status_code == 200
        assert (await api.get("/v1/books/CLX5")).status_code == 200

    asked(test)
