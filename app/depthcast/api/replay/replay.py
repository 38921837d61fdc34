"""One replay: it reads ahead in threads, and tells on the loop what is due, as fast as it is taken."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

from depthcast.api.hub.clients import Client
from depthcast.api.hub.encoded import Encoded
from depthcast.api.hub.errors import RequestError
from depthcast.api.hub.messages import encode
from depthcast.api.replay.messages import EPOCH, ReplayState, State
from depthcast.api.replay.order import said
from depthcast.api.replay.pace import Pace
from depthcast.api.replay.player import Player, Start
from depthcast.api.replay.tape import Stretch

if TYPE_CHECKING:
    from depthcast.api.replay.opening import Opened

__all__ = ["Replay"]

SLICE_S: Final = 0.001
"""How long the loop is kept at most before others have their turn."""
PROGRESS_S: Final = 1.0
"""How often a replay says how far it has come."""

Id = int | str | None
Share = Callable[[float], float]


class Replay:
    """A replay that is under way. On one loop; `run` is its life.

    Args:
        name: what its reader calls it.
        client: its reader.
        opened: where it begins.
        share: told how long the loop was kept, says how long others are to have it now.
        monotonic: a clock in seconds.
    """

    def __init__(
        self,
        name: str,
        client: Client,
        opened: "Opened",
        share: Share,
        monotonic: Callable[[], float] = monotonic,
    ) -> None:
        self.name = name
        self.ended = False
        """Nothing more comes of it by itself."""
        self._client = client
        self._opened = opened
        self._share = share
        self._monotonic = monotonic
        self._clock = client.hub.numbering.clock
        self._pace = Pace(opened.order.speed, monotonic)
        self._announced: set[str] = set()
        self._player = self._new_player(opened.start)
        self._reading: asyncio.Task[Stretch | None] | None = None
        self._wake = asyncio.Event()
        self._state: State = "paused" if opened.order.paused else "playing"
        self._reason = ""
        self._events = 0
        self._steps = 0
        self._asked: list[Id] = []
        """Requests that are answered when they have come to pass: of steps, of a seek."""
        self._seek_to: int | None = None
        self._told_s = 0.0

    # -- what is asked for while it goes on

    def pause(self, asked: Id) -> None:
        """Stand still."""
        self._steps = 0
        self._set("paused", "requested", asked)

    def resume(self, asked: Id) -> None:
        """Go on."""
        self._steps = 0
        if self.ended:
            raise RequestError("replay_ended", "it has ended: seek to a time before its end")
        self._set("playing", "requested", asked)

    def step(self, count: int, asked: Id) -> None:
        """Tell so many events, and stand still then."""
        if self.ended:
            raise RequestError("replay_ended", "it has ended: seek to a time before its end")
        self._pace.stop()
        self._state, self._reason = "paused", "step"
        self._steps += count
        self._asked.append(asked)
        self._wake.set()

    def change_speed(self, speed: float, asked: Id) -> None:
        """Go on at another speed."""
        self._pace.change(speed)
        self._set(self._state, self._reason, asked)

    def seek(self, ts_recv: int, asked: Id) -> None:
        """Go on from another time."""
        end = self._opened.order.end
        if end is not None and ts_recv > end:
            raise RequestError("bad_time", "time: it is after the replay's end")
        self._steps = 0
        self._seek_to = ts_recv
        self._asked.append(asked)
        self._wake.set()

    def resync(self, name: str) -> bool:
        """Tell a class anew; False if there is none of that name."""
        told = self._player.begin_class(name)
        if told is None:
            return False
        self._tell(told)
        return True

    def _set(self, state: State, reason: str, asked: Id) -> None:
        self._state, self._reason = state, reason
        if state == "playing":
            self._pace.start()
        else:
            self._pace.stop()
        self._say(asked)
        self._wake.set()

    # -- its life

    async def run(self) -> None:
        """Play until it is cancelled; for a reader that cannot ask for more, until the end."""
        self._begin()
        try:
            while not self._client.closed:
                await self._turn()
        finally:
            await self._stop_reading()

    def _new_player(self, start: Start) -> Player:
        opened = self._opened
        return Player(
            start,
            opened.symbols,
            opened.shown(self.name),
            opened.order.publisher,
            self._announced,
            self._clock,
        )

    def _begin(self) -> None:
        self._pace.set(self._player.ts_recv)
        if self._state == "playing":
            self._pace.start()
        self._tell(self._player.begin())
        self._say(*self._answered())
        self._reading = self._read_on()

    async def _turn(self) -> None:
        """Do what is to be done now, and wait for what is next."""
        if self._client.paused_at is not None:
            await self._client.until_drained()
        elif self._seek_to is not None:
            await self._go_to(self._seek_to)
        elif self.ended or (self._state == "paused" and not self._steps):
            await self._wait(None)
        elif self._player.next is None:
            await self._next_stretch()
        else:
            await self._play()

    async def _play(self) -> None:
        """Tell what is due, for a moment; or wait for it."""
        end = self._player.next
        wait_s = 0.0 if self._steps or end is None else self._pace.wait_s(end.ts_recv)
        began = self._monotonic()
        self._tell(self._player.release(inf if self._steps else began))
        if wait_s > 0:
            held_s = self._player.held_until()
            until_s = wait_s if held_s is None else min(wait_s, max(0.0, held_s - began))
            await self._wait(min(until_s, PROGRESS_S))
            self._say_now_and_then()
            return
        while end is not None and self._client.paused_at is None and not self._client.closed:
            self._events += end.is_event
            self._tell(
                self._player.play(inf if self._steps else self._monotonic()), f"{EPOCH}:{end.position}"
            )
            if self._steps and end.is_event:
                self._steps -= 1
                if not self._steps:
                    self._stepped()
                    break
            end = self._player.next
            if self._monotonic() - began > SLICE_S or end is None or self._seek_to is not None:
                break
            if not self._steps and self._pace.wait_s(end.ts_recv) > 0:
                break
        self._say_now_and_then()
        await asyncio.sleep(self._share(self._monotonic() - began))

    def _stepped(self) -> None:
        self._pace.set(self._player.ts_recv)
        for asked in self._answered():
            self._say(asked)

    async def _next_stretch(self) -> None:
        """Go on with what was read ahead; at the end say so."""
        if self._player.stretch.is_last:
            self._end("end")
            return
        reading = self._reading = self._reading or self._read_on()
        while not reading.done() and self._seek_to is None:
            self._wake.clear()
            waker = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait({reading, waker}, return_when=asyncio.FIRST_COMPLETED, timeout=PROGRESS_S)
            finally:
                waker.cancel()
            self._say_now_and_then()
        if self._seek_to is not None:
            return
        self._reading = None
        try:
            stretch = reading.result()
        except RequestError as error:
            self._fail(error)
            return
        if stretch is None:
            self._end("journal_end")
            return
        self._tell(self._player.load(stretch))
        if not stretch.is_last:
            self._reading = self._read_on()

    def _read_on(self) -> "asyncio.Task[Stretch | None]":
        return asyncio.create_task(self._opened.read(self._player.tape))

    async def _go_to(self, ts_recv: int) -> None:
        """Begin anew at another time. Where that cannot be had, nothing has happened."""
        try:
            start = await self._opened.start_at(ts_recv)
        except RequestError as error:
            if self._seek_to == ts_recv:
                self._seek_to = None
            for asked in self._answered():
                self._client.hub.refuse(self._client, asked, error)
            return
        if self._seek_to != ts_recv:  # another one has been asked for meanwhile
            return
        self._seek_to = None
        await self._stop_reading()
        self._player = self._new_player(start)
        if self.ended:
            self.ended, self._state = False, "paused" if self._state == "paused" else "playing"
        self._reason = "seek"
        self._begin()

    async def _stop_reading(self) -> None:
        """What a thread reads for it, it reads to its end."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            with suppress(asyncio.CancelledError, RequestError):
                await reading

    async def _wait(self, wait_s: float | None) -> None:
        """Until something is asked for, or for so long."""
        self._wake.clear()
        if wait_s is None:
            await self._wake.wait()
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait_s)

    # -- what is told

    def _end(self, reason: str) -> None:
        self._tell(self._player.release(inf))
        self._finish("ended", reason)

    def _fail(self, error: RequestError) -> None:
        self._client.hub.refuse(self._client, None, error)
        self._finish("failed", error.code)

    def _finish(self, state: State, reason: str) -> None:
        self.ended = True
        self._steps = 0
        self._pace.stop()
        self._state, self._reason = state, reason
        for asked in self._answered() or [None]:
            self._say(asked)
        self._opened.on_end()

    def _answered(self) -> list[Id]:
        asked, self._asked = self._asked, []
        return asked

    def _tell(self, messages: Sequence[Encoded], event_id: str = "") -> None:
        """Send messages; from the last of them a reader of events can resume, if it is said as what."""
        client = self._client
        if messages and event_id:
            messages[-1].event_id = event_id
        for message in messages:
            if client.closed:
                return
            client.write(message.form(client.form))
            client.hub.counters.sends += 1

    def _say_now_and_then(self) -> None:
        if self._monotonic() - self._told_s >= PROGRESS_S and self._client.paused_at is None:
            self._say()

    def _say(self, *asked: Id) -> None:
        """How it is: in answer to these requests, or by itself."""
        self._told_s = self._monotonic()
        for each in asked or (None,):
            message = ReplayState(
                stream=self.name,
                id=each,
                state=self._state,
                reason=self._reason,
                speed=said(self._pace.speed),
                ts_replay=str(max(self._pace.now(), self._player.ts_recv)),
                ts_send=str(self._clock()),
                epoch=EPOCH,
                seq=self._player.position,
                events=self._events,
            )
            event_id = f"{EPOCH}:end" if self._state == "ended" else f"{EPOCH}:{self._player.position}"
            self._tell([Encoded("replay", encode(message), self._player.position, event_id)])
