"""The replays of a process: who has which, how many there may be, and how much of the loop they get."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from time import monotonic
from typing import Final

import structlog

from depthcast.api.hub.clients import Client
from depthcast.api.hub.encoded import Encoded
from depthcast.api.hub.errors import RequestError
from depthcast.api.hub.messages import encode
from depthcast.api.hub.requests import Pause, ReplayRequest, Resume, Seek, Step, Subscribe
from depthcast.api.past.gate import PastGate
from depthcast.api.problems import ApiProblem
from depthcast.api.replay.messages import EPOCH, ReplayInstrument, ReplaySubscribed
from depthcast.api.replay.opening import Opened, open_replay, refusal
from depthcast.api.replay.order import order_of, said, speed_of, time_of
from depthcast.api.replay.replay import Id, Replay

__all__ = ["ReplayDesk"]

SHARE: Final = 0.5
"""Of the loop's time, what all replays together may take."""

_log = structlog.get_logger("depthcast.api")


class ReplayDesk:
    """The replays of a process (`depthcast.api.hub.ports.Replays`). On one loop.

    Args:
        gate: the way to the journal.
        most: replays at a time.
        per_key: of one key, or address.
    """

    def __init__(self, gate: PastGate, *, most: int, per_key: int) -> None:
        self.gate = gate
        self._most = most
        self._per_key = per_key
        self._counts: Counter[str] = Counter()
        self._replays: dict[Client, dict[str, Replay | None]] = {}
        self._tasks: dict[tuple[Client, str], asyncio.Task[None]] = {}
        self._numbers: Counter[Client] = Counter()
        self._free_at = 0.0

    def __len__(self) -> int:
        return self._counts.total()

    # -- what clients ask

    def subscribe(self, client: Client, request: Subscribe) -> None:
        """Begin a replay for a client, once it is known where.

        Raises:
            RequestError: why not.
        """
        if not client.may_replay:
            raise RequestError("scope_missing", "the past needs a key with the scope replay")
        order = order_of(request, EPOCH)
        name = self.reserve(client)
        opening = open_replay(self.gate, _whose(client), order)

        async def live() -> None:
            try:
                await self._live(client, name, request.id, await opening)
            except ApiProblem as problem:
                client.hub.refuse(client, request.id, refusal(problem))

        self.start(client, name, live())

    def carry_out(self, client: Client, request: ReplayRequest) -> None:
        """Pause a replay, have it go on, step, seek or change its speed.

        Raises:
            RequestError: there is none of that name, or it cannot be.
        """
        replay = self._replays.get(client, {}).get(request.stream)
        if replay is None:
            raise RequestError("not_subscribed", f"there is no replay {request.stream!r}")
        if isinstance(request, Pause):
            replay.pause(request.id)
        elif isinstance(request, Resume):
            replay.resume(request.id)
        elif isinstance(request, Step):
            replay.step(request.count, request.id)
        elif isinstance(request, Seek):
            replay.seek(time_of(request.time, "time"), request.id)
        else:
            replay.change_speed(speed_of(request.speed), request.id)

    def has(self, client: Client, name: str) -> bool:
        """See `Replays.has`."""
        return name.partition("/")[0] in self._replays.get(client, ())

    def resync(self, client: Client, name: str) -> None:
        """Tell a class of a replay anew.

        Raises:
            RequestError: there is none of that name.
        """
        replay = self._replays[client][name.partition("/")[0]]
        if replay is None or not replay.resync(name):
            raise RequestError("not_subscribed", f"there is no class {name!r} in the replay")

    def unsubscribe(self, client: Client, name: str) -> None:
        """End a replay.

        Raises:
            RequestError: the name is that of a class in one.
        """
        if name not in self._replays[client]:
            raise RequestError("bad_request", "a class of a replay ends with the replay")
        self._tasks[client, name].cancel()
        self._forget(client, name)

    def leave(self, client: Client) -> None:
        """End all replays of a client that has gone."""
        for name in list(self._replays.get(client, ())):
            task = self._tasks.get((client, name))
            if task is not None:
                task.cancel()
            self._forget(client, name)
        self._numbers.pop(client, None)

    # -- how many there are

    def admit(self, address: str, key: str) -> None:
        """See whether one more may be had with a key, or from an address.

        Raises:
            RequestError: there are too many.
        """
        if len(self) >= self._most:
            raise RequestError("too_many_replays", f"at most {self._most} replays at a time are played here")
        if self._counts[_counted_as(address, key)] >= self._per_key:
            raise RequestError("too_many_replays", f"at most {self._per_key} replays with one key or address")

    def reserve(self, client: Client) -> str:
        """A place and a name for another replay of a client.

        Raises:
            RequestError: there are too many.
        """
        self.admit(client.address, client.key)
        self._numbers[client] += 1
        name = f"replay:{self._numbers[client]}"
        self._counts[_whose(client)] += 1
        self._replays.setdefault(client, {})[name] = None
        return name

    def start(self, client: Client, name: str, life: Coroutine[None, None, None]) -> None:
        """Let a replay live, in the place that was reserved for it."""
        task = asyncio.get_running_loop().create_task(life)
        self._tasks[client, name] = task
        task.add_done_callback(lambda done: self._over(client, name, done))

    def play(self, client: Client, opened: Opened) -> None:
        """Begin a replay that is opened already.

        Raises:
            RequestError: there are too many.
        """
        name = self.reserve(client)
        self.start(client, name, self._live(client, name, None, opened))

    async def _live(self, client: Client, name: str, asked: Id, opened: Opened) -> None:
        replay = Replay(name, client, opened, self._share)
        self._replays[client][name] = replay
        client.send(_subscribed(name, asked, opened))
        await replay.run()

    def _over(self, client: Client, name: str, task: "asyncio.Task[None]") -> None:
        self._forget(client, name)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("replay failed", exc_info=error)
            told = RequestError("internal_error", "the replay failed; the log says why")
            client.hub.refuse(client, None, told)

    def _forget(self, client: Client, name: str) -> None:
        """Free the place; once is enough, twice is no error."""
        mine = self._replays.get(client, {})
        if name not in mine:
            return
        del mine[name]
        self._tasks.pop((client, name), None)
        if not mine:
            del self._replays[client]
        key = _whose(client)
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]

    def _share(self, took_s: float) -> float:
        """How long a replay has to wait that has kept the loop for so long."""
        now = monotonic()
        self._free_at = max(now, self._free_at) + took_s * (1 / SHARE - 1)
        return self._free_at - now


def _whose(client: Client) -> str:
    return _counted_as(client.address, client.key)


def _counted_as(address: str, key: str) -> str:
    return f"key {key}" if key else f"address {address}"


def _subscribed(name: str, asked: Id, opened: Opened) -> Encoded:
    order, start, kept = opened.order, opened.start, opened.kept
    message = ReplaySubscribed(
        stream=name,
        id=asked,
        instruments=[
            ReplayInstrument(instrument=symbol, instrument_id=number)
            for number, symbol in opened.symbols.items()
        ],
        dataset=opened.dataset,
        channels=list(order.channels),
        publisher=order.publisher,
        depth=order.depth,
        rate=order.rate,
        start=str(start.ts_recv),
        end=None if order.end is None else str(order.end),
        speed=said(order.speed),
        paused=order.paused,
        available_from=None if kept.first is None else str(kept.first),
        available_until=None if kept.last is None else str(kept.last),
        epoch=EPOCH,
        seq=start.position,
    )
    return Encoded("subscribed", encode(message))
