"""Cursors: what is encoded is decoded, and nothing else is taken for a place."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthcast.store.history.cursor import Cursor, decode_cursor, encode_cursor, question

TIMES = st.integers(0, (2**63 - 1) // 1_000)
SHARDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
OF_RECORDS = st.tuples(
    TIMES, st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**15 - 1), SHARDS
)
OF_STEPS = st.tuples(TIMES, st.integers(0, 65_535), SHARDS)
CURSORS = st.builds(Cursor, st.integers(0, 2**63 - 1), OF_RECORDS | OF_STEPS)
QUESTIONS = st.builds(
    question, st.sampled_from(["trades", "bbo"]), st.text(max_size=5), st.integers(0, 9), st.none() | TIMES
)


def steps(cursor: Cursor) -> bool:
    return len(cursor.after) == 3


@given(QUESTIONS, CURSORS)
def test_what_is_encoded_is_decoded(asked: bytes, cursor: Cursor) -> None:
    text = encode_cursor(asked, cursor)
    assert text.isascii()
    assert not set(text) & set("+/=&#? ")
    assert decode_cursor(asked, text, steps=steps(cursor)) == cursor


@given(QUESTIONS, QUESTIONS, CURSORS)
def test_a_cursor_is_of_one_question(asked: bytes, other: bytes, cursor: Cursor) -> None:
    text = encode_cursor(asked, cursor)
    if other != asked:
        with pytest.raises(ValueError, match="other parameters"):
            decode_cursor(other, text, steps=steps(cursor))
    with pytest.raises(ValueError, match="other parameters"):
        decode_cursor(asked, text, steps=not steps(cursor))


@given(QUESTIONS, CURSORS, st.data())
def test_a_cursor_that_was_changed_is_none(asked: bytes, cursor: Cursor, data: st.DataObject) -> None:
    text = encode_cursor(asked, cursor)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = data.draw(
        st.sampled_from(
            [
                text[:place] + data.draw(st.characters()) + text[place + 1 :],
                text[:place],
                text[:place] + text[place + 1 :],
                text + data.draw(st.text(min_size=1, max_size=3)),
            ]
        )
    )
    if changed != text:
        with pytest.raises(ValueError, match="that was given out"):
            decode_cursor(asked, changed, steps=steps(cursor))


@given(QUESTIONS, st.text(max_size=500) | st.binary(max_size=300).map(bytes.hex), st.booleans())
def test_any_text_is_refused_in_words(asked: bytes, text: str, of_steps: bool) -> None:
    with contextlib.suppress(ValueError):
        decode_cursor(asked, text, steps=of_steps)
        raise AssertionError(text)
