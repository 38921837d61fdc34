"""What the REST API says of books: levels, queues, orders, trades."""

import databento
import pytest

from depthcast.book.engine import Engine
from depthcast.dbn import forms
from tests.support.api_service import Api, api_over
from tests.support.api_world import BUSY, FUTURE, SPREAD, TWO, feed_of_the_world
from tests.support.gateways import run, until
from tests.support.rest import asked, problem


def test_a_book_is_what_the_engine_has() -> None:
    async def test(api: Api) -> None:
        response = await api.get("/v1/books/CLX5")
        assert response.status_code == 200
        book = response.json()
        assert [(each["price"], each["size"], each["count"]) for each in book["bids"]] == [
            ("64.79", 12, 3),
            ("64.78", 21, 1),
        ]
        assert [each["price"] for each in book["asks"]] == ["64.8", "64.81"]
        assert book["checksum"] == api.replica.engine.checksum(FUTURE, 10)
        assert book["metadata"]["symbol"] == "CLX5"
        assert book["metadata"]["publisher_id"] == 1
        version = api.replica.engine.status(FUTURE).version
        assert book["status"] == {
            "complete": True,
            "suspect": False,
            "top": "normal",
            "phase": "trading",
            "version": {"ts_event": str(version[0]), "sequence": version[1]},
        }
        assert book["feed"] == {"state": "live", "stale": False, "stale_since": None, "age_ms": 0}
        assert response.headers["depthcast-book"] == "complete=?1, suspect=?0, stale=?0, age_ms=0"
        for name in ("7", "GLBX.MDP3:CLX5", "GLBX.MDP3:7"):
            assert (await api.get(f"/v1/books/{name}")).json() == book

    asked(test)


def test_depth_cuts_and_zero_is_all() -> None:
    async def test(api: Api) -> None:
        one = (await api.get("/v1/books/CLX5", params={"depth": 1})).json()
        assert (len(one["bids"]), len(one["asks"])) == (1, 1)
        assert one["checksum"] == api.replica.engine.checksum(FUTURE, 1)
        full = (await api.get("/v1/books/CLX5", params={"depth": 0, "orders": "true"})).json()
        assert full["checksum"] == api.replica.engine.checksum(FUTURE, 0)
        assert [each["order_id"] for each in full["bids"][0]["orders"]] == ["1", "2", "3"]
        assert full["asks"][0]["orders"][0]["order_id"] == str(2**64 - 1)
        assert "orders" not in one["bids"][0]

    asked(test)


def test_several_publishers_are_added_up_or_named() -> None:
    async def test(api: Api) -> None:
        both = (await api.get("/v1/books/ESZ5")).json()
        assert both["metadata"]["publisher_id"] is None
        assert both["metadata"]["publishers"] == [1, 2]
        assert both["bids"] == [{"price": "5560", "size": 7, "count": 2}]
        assert [each["price"] for each in both["asks"]] == ["5560.25", "5561"]
        assert both["checksum"] is None
        one = (await api.get("/v1/books/ESZ5", params={"publisher": 2})).json()
        assert one["bids"] == [{"price": "5560", "size": 5, "count": 1}]
        assert one["checksum"] == api.replica.engine.checksum(TWO, 10, 2)
        bbo = (await api.get("/v1/books/ESZ5/bbo")).json()
        assert (bbo["bid"]["size"], bbo["ask"]["price"], bbo["spread"]) == (7, "5560.25", "0.25")
        for path in ("?orders=true", "/levels/bid/5560", "/orders/1"):
            told = problem(await api.get(f"/v1/books/ESZ5{path}"), 409, "ambiguous-book")
            assert told["publishers"] == [1, 2]
        body = problem(await api.get("/v1/books/ESZ5", params={"publisher": 3}), 404, "unknown-book")
        assert body["publishers"] == [1, 2]

    asked(test)


def test_the_queue_at_a_price_and_an_orders_place_in_it() -> None:
    async def test(api: Api) -> None:
        level = (await api.get("/v1/books/CLX5/levels/bid/64.79")).json()
        assert (level["side"], level["price"], level["size"], level["count"]) == ("B", "64.79", 12, 3)
        assert [(each["order_id"], each["size"]) for each in level["orders"]] == [
            ("1", 5),
            ("2", 3),
            ("3", 4),
        ]
        assert (await api.get("/v1/books/CLX5/levels/bid/64.790")).json() == level
        order = (await api.get("/v1/books/CLX5/orders/3")).json()["order"]
        assert order == {
            "order_id": "3",
            "state": "resting",
            "side": "B",
            "price": "64.79",
            "size": 4,
            "ts_event": level["orders"][2]["ts_event"],
            "sequence": level["orders"][2]["sequence"],
            "orders_ahead": 2,
            "size_ahead": 8,
        }
        for price in (
            "64.79",
            "9999999999.999999999",
            "-9999999999",
        ):  # the latter are more than a book's can be
            nothing = (await api.get(f"/v1/books/CLX5/levels/ask/{price}")).json()
            assert (nothing["size"], nothing["count"], nothing["orders"]) == (0, 0, [])
            assert nothing["price"] == price
        for order_id in (5, 2**64):
            problem(await api.get(f"/v1/books/CLX5/orders/{order_id}"), 404, "unknown-order")
        greatest = (await api.get(f"/v1/books/CLX5/orders/{2**64 - 1}")).json()
        assert greatest["order"]["side"] == "A"

    asked(test)


def test_a_newline_after_a_price_or_an_id_is_not_let_pass() -> None:
    async def test(api: Api) -> None:
        for path in ("levels/bid/64.79%0A", "levels/bid/64%0A", "orders/1%0A"):
            body = problem(await api.get(f"/v1/books/CLX5/{path}"), 422, "invalid-parameter")
            assert body["errors"][0]["in"] == "path"
        for path in ("levels/bid%0A/64.79", "%0A", "bbo%0A"):
            assert (await api.get(f"/v1/books/CLX5/{path}")).status_code in (404, 422)
        problem(await api.get("/v1/books/CLX5%0A"), 404, "unknown-instrument")
        problem(await api.get("/v1/books/7%0A"), 404, "unknown-instrument")
        assert (await api.get("/books/CLX5/queue/bid/64.79%0A")).status_code == 422

    asked(test)


def test_a_top_of_book_level_has_size_and_no_orders() -> None:
    async def test(api: Api) -> None:
        bbo = (await api.get(f"/v1/books/{SPREAD}/bbo")).json()
        assert bbo["metadata"]["symbol"] is None
        assert bbo["bid"] == {"price": "-3.25", "size": 9, "count": 0}
        assert bbo["spread"] == "0.25"
        level = (await api.get(f"/v1/books/{SPREAD}/levels/bid/-3.25")).json()
        assert (level["size"], level["count"], level["orders"]) == (9, 0, [])

    asked(test)


def test_trades_newest_first() -> None:
    async def test(api: Api) -> None:
        api.served[0].feed.publish()
        await until(lambda: api.services.tape.total(api.replica) == 1)
        [last] = (await api.get("/v1/books/CLX5/trades", params={"limit": 1})).json()["trades"]
        assert (last["side"], last["size"], last["price"]) == ("N", 3, "0")
        assert (await api.get("/v1/books/ESZ5/trades")).json()["trades"] == []

    asked(test)


def test_a_book_as_dbn_is_the_book() -> None:
    async def test(api: Api) -> None:
        response = await api.get("/v1/books/CLX5", params={"format": "dbn"})
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-disposition"] == 'attachment; filename="CLX5.dbn"'
        store = databento.DBNStore.from_bytes(response.content)
        assert store.metadata.dataset == "GLBX.MDP3"
        assert store.metadata.symbols == ["CLX5"]
        assert list(store.to_ndarray()["order_id"])[1:] == [1, 2, 3, 4, 2**64 - 1, 6]
        engine = Engine()
        engine.apply(response.content[-56 * forms.count(api.replica.engine.snapshot(FUTURE)) :])
        assert engine.checksum(FUTURE) == api.replica.engine.checksum(FUTURE)
        tag = response.headers["etag"]
        again = await api.get("/v1/books/CLX5?format=dbn", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        both = await api.get("/v1/books/ESZ5?format=dbn")
        engine.apply(both.content[-56 * 6 :])
        assert engine.publishers(TWO) == [1, 2]
        for other in ("depth=5", "orders=true"):
            problem(await api.get(f"/v1/books/CLX5?format=dbn&{other}"), 422, "invalid-parameter")

    asked(test)


def test_a_book_inside_an_event_is_not_served_until_it_ends() -> None:
    async def test(api: Api) -> None:
        api.served[0].feed.publish(2)
        engine = api.replica.engine
        await until(lambda: bool(engine.publishers(BUSY)) and engine.status(BUSY).in_event)
        response = await api.get(f"/v1/books/{BUSY}")
        problem(response, 503, "book-busy")
        assert response.headers["retry-after"] == "1"
        api.served[0].feed.publish()
        await until(lambda: not engine.status(BUSY).in_event)
        book = await api.get(f"/v1/books/{BUSY}")
        assert book.json()["asks"] == [{"price": "11", "size": 1, "count": 1}]

    asked(test)


def test_a_book_whose_feed_is_lost_inside_an_event_says_that_it_is_stale() -> None:
    async def test(api: Api) -> None:
        api.served[0].feed.publish(2)
        engine = api.replica.engine
        await until(lambda: bool(engine.publishers(BUSY)) and engine.status(BUSY).in_event)
        live = await api.get(f"/v1/books/{BUSY}")
        assert problem(live, 503, "book-busy")["feed"]["stale"] is False
        assert "stale=?0" in live.headers["depthcast-book"]
        assert (await api.get(f"/v1/books/{BUSY}/trades")).json()["trades"] == []
        await api.served[0].gateway.close()
        await until(lambda: api.replica.stale_since_ns is not None)
        for path in ("", "/bbo", "?format=dbn"):
            response = await api.get(f"/v1/books/{BUSY}{path}")
            told = problem(response, 503, "book-busy")
            assert "the feed is lost" in told["detail"]
            assert (told["feed"]["state"], told["feed"]["stale"]) == ("stale", True)
            assert told["feed"]["stale_since"] == str(api.replica.stale_since_ns)
            assert f"stale=?1, age_ms={told['feed']['age_ms']}" in response.headers["depthcast-book"]
        trades = await api.get(f"/v1/books/{BUSY}/trades")
        assert (trades.status_code, trades.json()["feed"]["stale"]) == (200, True)

    asked(test)


def test_a_suspect_book_says_so() -> None:
    async def test(api: Api) -> None:
        response = await api.get("/v1/books/SUSP/bbo")
        assert response.json()["status"]["suspect"] is True
        assert "suspect=?1" in response.headers["depthcast-book"]

    asked(test)


def test_what_is_not_there_is_a_problem_with_its_own_name() -> None:
    async def test(api: Api) -> None:
        problem(await api.get("/v1/books/NOPE"), 404, "unknown-instrument")
        problem(await api.get("/v1/books/999"), 404, "unknown-instrument")
        problem(await api.get("/v1/books/NGF6"), 404, "unknown-book")
        problem(await api.get("/v1/instruments/NOPE"), 404, "unknown-instrument")
        assert (await api.get("/v1/instruments/NGF6")).json()["publishers"] == []

    asked(test)


def test_what_has_not_changed_is_not_sent_again() -> None:
    async def test(api: Api) -> None:
        first = await api.get("/v1/books/CLX5")
        tag = first.headers["etag"]
        assert tag.startswith('W/"')
        for given in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
            same = await api.get("/v1/books/CLX5", headers={"If-None-Match": given})
            assert (same.status_code, same.content) == (304, b"")
            assert same.headers["etag"] == tag
            assert same.headers["depthcast-book"].endswith("stale=?0, age_ms=0")
        api.served[0].feed.publish()
        await until(lambda: api.replica.engine.status(FUTURE).orders == 5)
        other = await api.get("/v1/books/CLX5", headers={"If-None-Match": tag})
        assert other.status_code == 200
        assert other.headers["etag"] != tag
        assert other.json()["bids"][0] == {"price": "64.79", "size": 7, "count": 2}
        assert (await api.get("/v1/books/CLX5?depth=1", headers={"If-None-Match": tag})).status_code == 200

    asked(test)


def test_a_dbn_file_under_another_name_is_another() -> None:
    async def test(api: Api) -> None:
        tag = (await api.get("/v1/books/7?format=dbn")).headers["etag"]
        api.replica.names.map(FUTURE, "CLX6")
        response = await api.get("/v1/books/7?format=dbn", headers={"If-None-Match": tag})
        assert response.status_code == 200
        assert databento.DBNStore.from_bytes(response.content).metadata.symbols == ["CLX6"]

    asked(test)


@pytest.mark.parametrize("second", ["GLBX.MDP3", "XNAS.ITCH"])
def test_an_instrument_of_two_feeds(second: str) -> None:
    async def main() -> None:
        async with api_over(feed_of_the_world(), feed_of_the_world(second)) as api:
            response = await api.get("/v1/books/CLX5")
            if second == "GLBX.MDP3":  # shards of one dataset: one of them is meant
                assert response.status_code == 200
                return
            body = problem(response, 409, "ambiguous-instrument")
            assert body["candidates"] == ["GLBX.MDP3:CLX5", "XNAS.ITCH:CLX5"]
            for name in body["candidates"]:
                book = (await api.get(f"/v1/books/{name}")).json()
                assert book["metadata"]["dataset"] == name.partition(":")[0]

    run(main())
