"""The subscriber's policy, driven by hand: its clock and its dice are arguments."""

import pytest

from depthcast.live.events import Ending, Live, Stale
from depthcast.live.lifecycle import Lifecycle, Loss, Policy, State

FIN = Loss(Ending.FIN, "closed")


def streaming(policy: Policy = Policy(), now: float = 0.0) -> Lifecycle:  # noqa: B008 - frozen
    """One that streams since ``now``."""
    life = Lifecycle(policy, lambda: 1.0, now)
    connect(life, now)
    return life


def connect(life: Lifecycle, now: float) -> None:
    life.connecting(now)
    life.connected(now)
    life.authenticated(now)
    life.started(now)


def fail(life: Lifecycle, now: float, times: int) -> list[float | None]:
    """Attempts that do not come to stream: what each waits for the next."""
    waits = []
    for _ in range(times):
        life.connecting(now)
        waits.append(life.lost(now, Loss(Ending.CONNECT, "refused")).retry_in_s)
    return waits


def test_the_first_attempt_is_due_at_once() -> None:
    life = Lifecycle(Policy(), lambda: 1.0, 12.0)
    assert (life.state, life.due) == (State.WAITING, 12.0)


def test_waits_double_up_to_the_longest() -> None:
    life = Lifecycle(Policy(backoff_first_s=1.0, backoff_max_s=10.0), lambda: 1.0, 0.0)
    assert fail(life, 0.0, 6) == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_after_very_many_failures_the_wait_is_still_the_longest() -> None:
    life = Lifecycle(Policy(), lambda: 1.0, 0.0)
    assert fail(life, 0.0, 5_000)[-1] == 30.0


@pytest.mark.parametrize("dice", [0.0, 0.25, 0.999])
def test_jitter_is_full(dice: float) -> None:
    life = Lifecycle(Policy(backoff_first_s=1.0), lambda: dice, 5.0)
    assert fail(life, 5.0, 3) == [dice, 2 * dice, 4 * dice]
    assert life.due == 5.0 + 4 * dice


def test_a_stream_that_lasted_makes_the_next_wait_a_first_one() -> None:
    life = Lifecycle(Policy(backoff_first_s=1.0, healthy_s=5.0), lambda: 1.0, 0.0)
    fail(life, 0.0, 5)
    connect(life, 100.0)
    assert life.lost(105.0, FIN).retry_in_s == 1.0


def test_a_stream_that_breaks_at_once_again_and_again_waits_longer_and_longer() -> None:
    life = streaming(Policy(backoff_first_s=1.0, healthy_s=5.0))
    waits = []
    for now in range(4):
        waits.append(life.lost(float(now), FIN).retry_in_s)
        connect(life, float(now))
    assert waits == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize(
    "ending", [Ending.FIN, Ending.RESET, Ending.TIMEOUT, Ending.ERROR, Ending.PROTOCOL, Ending.END]
)
def test_however_a_stream_ends_there_is_another_attempt(ending: Ending) -> None:
    verdict = streaming().lost(1.0, Loss(ending, "why"))
    assert verdict.retry_in_s is not None
    assert not verdict.raises


def test_an_explained_end_ends_who_asked_for_that() -> None:
    life = streaming(Policy(until_end=True))
    assert life.lost(1.0, Loss(Ending.END, "over")) == (None, False)
    assert life.state is State.ENDED


def test_an_unexplained_end_does_not() -> None:
    assert streaming(Policy(until_end=True)).lost(1.0, FIN).retry_in_s is not None


def test_a_final_refusal_ends_it_with_an_error() -> None:
    life = Lifecycle(Policy(), lambda: 1.0, 0.0)
    life.connecting(0.0)
    life.connected(0.0)
    assert life.lost(0.0, Loss(Ending.AUTHENTICATION, "wrong key", final=True)) == (None, True)


def test_a_first_failure_is_the_last_for_who_asked_for_that() -> None:
    life = Lifecycle(Policy(retry_first=False), lambda: 1.0, 0.0)
    assert fail(life, 0.0, 1) == [None]
    later = streaming(Policy(retry_first=False))
    later.lost(1.0, FIN)
    assert fail(later, 1.0, 1) != [None]


def test_it_gives_up_after_so_many_attempts_in_a_row() -> None:
    life = Lifecycle(Policy(max_attempts=3), lambda: 1.0, 0.0)
    waits = fail(life, 0.0, 3)
    assert waits[:2] == [0.25, 0.5]
    assert waits[2] is None


@pytest.mark.parametrize(
    ("steps", "patience", "ending", "reason"),
    [
        (0, 10.0, Ending.CONNECT, "no connection within 10 s"),
        (1, 30.0, Ending.TIMEOUT, "no answer to the authentication in 30 s"),
        (2, 60.0, Ending.TIMEOUT, "no stream 60 s after the start"),
    ],
)
def test_each_step_of_the_handshake_has_its_time(
    steps: int, patience: float, ending: Ending, reason: str
) -> None:
    life = Lifecycle(Policy(), lambda: 1.0, 0.0)
    life.connecting(100.0)
    for step in (life.connected, life.authenticated)[:steps]:
        step(100.0)
    assert life.check(100.0 + patience - 0.01, 0) is None
    loss = life.check(100.0 + patience, 0)
    assert isinstance(loss, Loss)
    assert (loss.ending, loss.reason) == (ending, reason)


def test_silence_is_told_once_and_then_ends_the_connection() -> None:
    life = streaming()
    assert life.check(1.0, 100) is None
    assert life.check(2.79, 100) is None
    told = life.check(2.81, 100)
    assert isinstance(told, Stale)
    assert told.silent_s == pytest.approx(1.81)
    assert life.check(6.9, 100) is None
    loss = life.check(7.0, 100)
    assert isinstance(loss, Loss)
    assert (loss.ending, loss.reason) == (
        Ending.TIMEOUT,
        "silent for 6.0 s; a heartbeat was asked for every 1 s",
    )


def test_a_byte_after_silence_is_life() -> None:
    life = streaming()
    assert isinstance(life.check(3.0, 0), Stale)
    assert life.check(3.1, 1) == Live()
    assert life.check(4.8, 1) is None
    assert isinstance(life.check(5.0, 1), Stale)


def test_while_reading_is_paused_silence_is_nobodys_fault() -> None:
    life = streaming()
    for now in range(1, 100):
        assert life.check(float(now), 5, paused=True) is None
    assert life.check(100.0, 5) is None
    assert isinstance(life.check(101.9, 5), Stale)


def test_what_one_connection_received_does_not_count_for_the_next() -> None:
    life = streaming()
    life.check(1.0, 100)
    life.lost(1.5, FIN)
    connect(life, 2.0)
    assert life.check(2.5, 100) is None  # the first hundred bytes of this one
    assert life.check(4.2, 100) is None
    assert isinstance(life.check(4.4, 100), Stale)
