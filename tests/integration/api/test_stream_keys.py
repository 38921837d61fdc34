"""A key that ends while its streams are open takes them with it."""

import time
from pathlib import Path

import pytest

from depthcast.api.hub.options import HubOptions
from depthcast.api.key_file import ApiKeyFile
from depthcast.api.keys import make_api_key, new_token
from tests.support.api_service import api_settings
from tests.support.gateways import run
from tests.support.stream_service import events, page, stream_service

SECOND = 10**9


@pytest.mark.parametrize("how", ["revoked", "expired", "removed"])
def test_streams_end_with_their_key(tmp_path: Path, how: str) -> None:
    file, token, now = ApiKeyFile(tmp_path / "keys.json"), new_token(), time.time_ns()
    expires_ns = now + 3 * SECOND if how == "expired" else None
    key = make_api_key("a", token, scopes=("read",), now_ns=now, expires_ns=expires_ns)
    other_token = new_token()
    other = make_api_key("b", other_token, scopes=("read",), now_ns=now)
    file.change(lambda ring: ring.with_keys([key, other]))
    bearer = {"Authorization": f"Bearer {token}"}

    async def main() -> None:
        async with (
            stream_service(
                settings=api_settings(anonymous_read=False),
                keys_file=file.path,
                options=HubOptions(heartbeat_s=0.2),
            ) as service,
            page(service, additional_headers={"Authorization": f"Bearer {other_token}"}) as good,
            page(service, additional_headers=bearer) as reader,
            events(service, "bbo=7", **bearer) as browser,
        ):
            await good.subscribe("bbo")
            await reader.subscribe("bbo")
            if how == "revoked":
                file.change(lambda ring: ring.revoke(ring.named("a")[0], time.time_ns()))
            elif how == "removed":
                file.change(lambda ring: type(ring)([other]))
            assert await reader.closed() == (4003, "key_ended")
            assert [(each["code"], each["fatal"]) for each in reader.reader.errors] == [("key_ended", True)]
            assert how in reader.reader.errors[0]["message"]
            assert (await browser.next("error"))["code"] == "key_ended"
            with pytest.raises(EOFError):
                await browser.next("error")
            service.change()
            await good.next("bbo")
            assert service.hub.counters.clients == 1

    run(main())


def test_a_key_that_has_ended_asks_for_nothing_more(tmp_path: Path) -> None:
    file, token = ApiKeyFile(tmp_path / "keys.json"), new_token()
    file.change(
        lambda ring: ring.with_keys([make_api_key("a", token, scopes=("read",), now_ns=time.time_ns())])
    )

    async def main() -> None:
        async with (
            stream_service(keys_file=file.path, options=HubOptions(heartbeat_s=600)) as service,
            page(service, additional_headers={"Authorization": f"Bearer {token}"}) as reader,
        ):
            await reader.subscribe("bbo")
            file.change(lambda ring: ring.revoke(ring.named("a")[0], time.time_ns()))
            await reader.ask("subscribe", channel="book", instruments=["7"])
            assert (await reader.next("subscribed", "error"))["code"] == "key_ended"
            assert (await reader.closed())[0] == 4003

    run(main())
