"""A subscriber that is followed: to a scripted gateway, with everything it told."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from depthcast.live import control
from depthcast.live.events import Disconnected, Ending, Event
from depthcast.live.lifecycle import Policy
from depthcast.live.replies import AuthenticationReply
from depthcast.live.subscriber import Subscriber
from tests.support.records import add
from tests.support.scripted_gateway import DATASET, KEY, Peer, Script, gateway
from tests.support.simulated import records_of

T = TypeVar("T")
RECORDS: Final = b"".join(
    add(n, "B", 100, 1, ts_event=100 + n // 3, ts_recv=100 + n // 3, instrument_id=n % 4) for n in range(300)
)
FAST: Final = Policy(backoff_first_s=0.01, backoff_max_s=0.05)
END: Final = control.system(control.SystemCode.UNSET, "That is all.", ts_event=1)


def run(main: Coroutine[Any, Any, T], loop: Callable[..., Any] = asyncio.run) -> T:
    found: T = loop(asyncio.wait_for(main, 15))
    return found


class Followed:
    """A subscriber to a scripted gateway, and what it told."""

    def __init__(self, port: int, *, policy: Policy = FAST, **options: Any) -> None:
        self.data = b""
        self.events: list[Event] = []
        self.until: Callable[[Event], bool] = lambda _: False
        given = {"key": KEY, "dataset": DATASET, "random": lambda: 0.5, **options}
        self.subscriber = Subscriber(
            "127.0.0.1",
            port,
            on_records=given.pop("on_records", self.on_records),
            on_event=self.on_event,
            policy=policy,
            **given,
        )

    def on_records(self, records: memoryview) -> None:
        self.data += records

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        if self.until(event):
            self.subscriber.close()

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def endings(self) -> list[Ending]:
        return [event.ending for event in self.of(Disconnected)]


async def follow(
    *scripts: Script,
    until_end: bool = True,
    until: Callable[[Event], bool] = lambda _: False,
    subscribe: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[Followed, list[Peer]]:
    """Subscribe to a gateway of these scripts, to its explained end or until an event."""
    policy = options.pop("policy", FAST)
    if until_end:
        policy = Policy(**{field: getattr(policy, field) for field in policy.__slots__} | {"until_end": True})
    async with gateway(*scripts) as running:
        followed = Followed(running.port, policy=policy, **options)
        followed.until = until
        followed.subscriber.subscribe(**{"schema": "mbo", **(subscribe or {})})
        await followed.subscriber.run()
        return followed, running.peers


async def to_the_end(peer: Peer) -> None:
    await peer.begin()
    await peer.send(RECORDS + END)


def refusing(error: str) -> Script:
    async def refuse(peer: Peer) -> None:
        await peer.authenticate(await peer.greet())
        await peer.raw(AuthenticationReply(error=error).to_line())

    return refuse


async def serve_rest(peer: Peer, upto: int, *, tail: bytes = b"") -> None:
    """Serve as a gateway whose feed has got to ``upto``: all of it, or the replay that is asked for."""
    await peer.begin()
    everything = records_of(RECORDS)
    start = peer.subscriptions[0].start
    if start is None:
        await peer.send(b"".join(everything[:upto]) + tail)
    else:
        replay = [r for r in everything[:upto] if int.from_bytes(r[8:16], "little") >= start]
        await peer.send(b"".join(replay))
        await peer.send(control.system(control.SystemCode.REPLAY_COMPLETED, "mbo", ts_event=1) + tail)


async def half(peer: Peer) -> None:
    await serve_rest(peer, 150)
