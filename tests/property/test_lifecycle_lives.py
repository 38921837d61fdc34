"""The subscriber's policy through whole simulated lives: gateways that come, go and fall silent."""

import random
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from depthcast.live.events import Ending, Live, Stale
from depthcast.live.lifecycle import Lifecycle, Loss, Policy, State

TICK_S: Final = 0.05
POLICY: Final = Policy(backoff_first_s=0.25, backoff_max_s=8.0, healthy_s=5.0)


class Gateway:
    """What a gateway does, drawn from a seed: refuses, streams, falls silent, breaks off."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.next_byte = 0.0
        self.until = 0.0
        self.mute_from = float("inf")

    def connects(self) -> bool:
        return self.dice.random() < 0.7

    def begin(self, now: float) -> None:
        """A stream begins: it lasts a while, and may fall silent before its end."""
        self.until = now + self.dice.choice([0.0, 0.5, 4.0, 20.0])
        self.mute_from = now + self.dice.choice([0.1, 3.0, 1e9])
        self.next_byte = now

    def sends(self, now: float) -> bool:
        """Whether it sends something by now; its heartbeat at the latest every second."""
        if now < self.next_byte or now >= self.mute_from:
            return False
        self.next_byte = now + self.dice.choice([0.01, 0.4, 1.0, 1.7, 2.5])
        return True


class Life:
    """A lifecycle and a gateway, a tick at a time, with what must hold checked at each."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed + 1)
        self.gateway = Gateway(seed)
        self.now = 0.0
        self.received = 0
        self.heard = 0.0
        self.stale = False
        self.waits: list[float] = []
        self.streamed_s: list[float] = []
        self.machine = Lifecycle(POLICY, self.dice.random, self.now)

    def tick(self) -> None:
        self.now += TICK_S
        match self.machine.state:
            case State.WAITING:
                if self.now >= self.machine.due:
                    self.attempt()
            case State.STREAMING:
                self.stream()

    def attempt(self) -> None:
        machine = self.machine
        machine.connecting(self.now)
        if not self.gateway.connects():
            self.lose(Loss(Ending.CONNECT, "refused"), streamed_s=-1)
            return
        machine.connected(self.now)
        machine.authenticated(self.now)
        machine.started(self.now)
        self.gateway.begin(self.now)
        self.began = self.heard = self.now
        self.received, self.stale = 0, False

    def stream(self) -> None:
        if self.now >= self.gateway.until:
            self.lose(Loss(Ending.FIN, "closed"), streamed_s=self.now - self.began)
            return
        if self.gateway.sends(self.now):
            self.received += 10
            self.heard = self.now
        found = self.machine.check(self.now, self.received)
        silent_s = self.now - self.heard
        match found:
            case Stale():
                assert not self.stale
                assert silent_s >= POLICY.stale_s - 1e-6
                self.stale = True
            case Live():
                assert self.stale
                assert silent_s == 0
                self.stale = False
            case Loss():
                assert found.ending is Ending.TIMEOUT
                assert silent_s >= POLICY.idle_s - 1e-6
                self.lose(found, streamed_s=self.now - self.began)
            case None:
                assert silent_s < POLICY.idle_s + 1e-6
                assert silent_s < POLICY.stale_s + 1e-6 or self.stale

    def lose(self, loss: Loss, *, streamed_s: float) -> None:
        verdict = self.machine.lost(self.now, loss)
        assert verdict.retry_in_s is not None
        self.waits.append(verdict.retry_in_s)
        self.streamed_s.append(streamed_s)


@given(st.integers(0, 2**32))
def test_it_always_comes_back_and_never_hammers(seed: int) -> None:
    life = Life(seed)
    for _ in range(2_000):
        life.tick()
    failures = 0
    for wait, streamed_s in zip(life.waits, life.streamed_s, strict=True):
        failures = 1 if streamed_s >= POLICY.healthy_s else failures + 1
        assert 0 <= wait <= min(8.0, 0.25 * 2.0 ** (failures - 1))
    assert life.machine.state in (State.WAITING, State.STREAMING)
    assert life.machine.attempts >= len(life.waits)


@given(st.integers(0, 2**32))
def test_a_life_is_the_same_for_the_same_seed(seed: int) -> None:
    lives = [Life(seed) for _ in range(2)]
    for life in lives:
        for _ in range(500):
            life.tick()
    assert lives[0].waits == lives[1].waits
    assert lives[0].machine.attempts == lives[1].machine.attempts
