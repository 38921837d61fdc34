"""Whatever a gateway sends, a connection takes it or ends with a reason."""

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from depthcast.errors import DepthcastError
from depthcast.live.client import Client
from depthcast.live.control import error, heartbeat, session_metadata
from depthcast.live.handshake import Login
from tests.support.live_wire import ACCEPTED, Owner, Wire, feed
from tests.support.records import add, other, status
from tests.support.scripted_gateway import DATASET, KEY

SESSION: Final = (
    ACCEPTED
    + session_metadata(DATASET, 1)
    + b"".join(add(n, "B", 100, 1) for n in range(20))
    + heartbeat(ts_event=1)
    + status(7)
    + other(0x0A, 368)
    + error(4, "No such symbol.", ts_event=1)
    + add(99, "A", 101, 1)
)


def take(data: bytes, step: int) -> tuple[Client, Owner, Wire]:
    """A session that was sent these bytes, ``step`` at a time."""
    owner, wire = Owner(), Wire()
    client = Client(Login(KEY, DATASET), owner, bytearray(2048))
    client.connection_made(wire)
    for at in range(0, len(data), step):
        if wire.aborted:
            break
        feed(client, data[at : at + step])
    return client, owner, wire


@given(
    changes=st.lists(st.tuples(st.integers(0, len(SESSION) - 1), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, len(SESSION)),
    step=st.sampled_from([1, 7, 56, 4096]),
)
def test_a_mutated_session_ends_with_a_reason_or_goes_on(
    changes: list[tuple[int, int]], cut: int, step: int
) -> None:
    data = bytearray(SESSION)
    for place, value in changes:
        data[place] = value
    client, owner, wire = take(bytes(data[:cut]), step)
    client.connection_lost(None)
    assert owner.closed.is_set()
    assert owner.error is None or isinstance(owner.error, DepthcastError)
    assert not wire.aborted or owner.error is not None


@given(st.binary(max_size=3000), st.sampled_from([1, 50, 3000]))
def test_noise_is_no_session(noise: bytes, step: int) -> None:
    client, owner, _ = take(noise, step)
    client.connection_lost(None)
    assert owner.data == b""
    assert owner.error is None or isinstance(owner.error, DepthcastError)


@given(st.binary(max_size=2000), st.sampled_from([1, 50, 2000]))
def test_noise_after_the_metadata_never_raises(noise: bytes, step: int) -> None:
    client, owner, _ = take(ACCEPTED + session_metadata(DATASET, 1) + noise, step)
    client.connection_lost(None)
    assert owner.error is None or isinstance(owner.error, DepthcastError)
    assert len(owner.data) <= len(noise)
