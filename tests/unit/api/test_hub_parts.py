"""The hub's small parts: encoded messages, rings, counts of connections, classes, requests' limits."""

import json

import pytest

from depthcast.api.hub.classes import StreamClass
from depthcast.api.hub.connections import Connections
from depthcast.api.hub.encoded import Encoded, Form, ws_frame
from depthcast.api.hub.errors import RequestError
from depthcast.api.hub.options import HubOptions
from depthcast.api.hub.ring import Ring, RingBytes
from tests.support.hub_world import ws_messages


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_is_what_the_standard_says(size: int) -> None:
    payload = b"x" * size
    frame = ws_frame(payload)
    assert ws_messages(frame) == [payload]
    assert len(frame) - size == (2 if size < 126 else 4 if size < 65_536 else 10)


def test_each_form_is_made_once() -> None:
    message = Encoded("update", b'{"a":1}', 7, "e1:7")
    for form in Form:
        assert message.form(form) is message.form(form)
    assert message.form(Form.EVENT) == b'id: e1:7\nevent: update\ndata: {"a":1}\n\n'


def test_a_message_told_aside_is_no_place_to_resume_from() -> None:
    message = Encoded("update", b"{}", 7, "e1:7")
    assert message.aside(Form.EVENT) == b"event: update\ndata: {}\n\n"
    assert message.aside(Form.FRAME) is message.form(Form.FRAME)


def ring(*seqs: int, frames: int = 3, size: int = 10**6) -> Ring:
    made = Ring(1, frames, size, RingBytes(1 << 40))
    for seq in seqs:
        made.append(Encoded("update", b"x" * 10, seq))
    return made


def after(of: Ring, seq: int) -> list[int] | None:
    found = of.after(seq)
    return None if found is None else [message.seq for message in found]


def test_a_ring_gives_what_came_after_or_says_that_it_is_gone() -> None:
    kept = ring(4, 7, 9, 12)
    assert kept.floor == 4
    assert after(kept, 3) is None
    assert after(kept, 4) == [7, 9, 12]
    assert after(kept, 8) == [9, 12]
    assert after(kept, 12) == []


def test_a_ring_is_bounded_in_bytes_but_keeps_the_newest() -> None:
    kept = ring(2, 3, 4, frames=100, size=25)
    assert [len(kept), kept.floor] == [2, 2]
    kept.append(Encoded("update", b"x" * 1000, 5))
    assert [len(kept), kept.floor] == [1, 4]


def test_connections_are_counted_by_address_and_key_and_given_back() -> None:
    counts = Connections(HubOptions(max_clients=4, connections_per_address=2, connections_per_key=3))
    counts.enter("a", "k")
    counts.enter("a", "")
    with pytest.raises(RequestError, match="2 connections from one address"):
        counts.enter("a", "")
    counts.enter("b", "k")
    counts.enter("c", "k")
    with pytest.raises(RequestError, match="no further connection"):
        counts.enter("d", "")
    counts.leave("c", "k")
    counts.leave("a", "k")
    counts.enter("a", "k")
    counts.enter("e", "k")
    counts.leave("b", "k")
    for _ in range(1):
        counts.enter("f", "k")
    assert len(counts) == 4


def test_too_many_of_one_key() -> None:
    counts = Connections(HubOptions(connections_per_key=1))
    counts.enter("a", "k")
    with pytest.raises(RequestError, match="with one key") as refused:
        counts.enter("b", "k")
    assert (refused.value.code, refused.value.fatal) == ("too_many_connections", True)
    assert len(counts) == 1


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (StreamClass("book", 432669, 1, 10, 20), "book:432669:1:10:20"),
        (StreamClass("bbo", 7, None, 1, 100), "bbo:7:all:1:100"),
        (StreamClass("book", 7, 2, 5, 1, "GLBX.MDP3"), "GLBX.MDP3/book:7:2:5:1"),
    ],
)
def test_names_of_classes(of: StreamClass, name: str) -> None:
    assert of.name == name


def test_messages_are_plain_json_objects() -> None:
    message = Encoded("pong", b'{"type":"pong"}')
    (payload,) = ws_messages(message.form(Form.FRAME))
    assert json.loads(payload) == {"type": "pong"}


def test_rings_together_keep_so_much_and_each_its_newest_message() -> None:
    together = RingBytes(250)
    rings = [Ring(0, 64, 1_000, together) for _ in range(3)]
    for seq in range(1, 10):
        for ring in rings:
            ring.append(Encoded("update", bytes(100), seq))
            assert together.held <= together.most + 100 * len(rings)
    assert [len(ring) for ring in rings] == [1, 1, 1]
    assert [ring.floor for ring in rings] == [8, 8, 8]
    for ring in rings:
        ring.clear()
    assert together.held == 0
