"""Challenge and response."""

import pytest

from depthcast.errors import ProtocolError
from depthcast.live.cram import bucket_of, new_challenge, response, split_answer, verify

CHALLENGE = "t7kNhwj4xqR0QYjzFKtBEG2ec2pXJ4FK"
KEY = "db-AAAAAAAAAAAAAAAAAAAAAAAAbUcKt"
ANSWER = "00bc91f758c8872c9bb4538c69a9a586d40facd5893715a6a4c0eefd10f9a169-bUcKt"


def test_the_protocols_own_example() -> None:
    assert response(CHALLENGE, KEY) == ANSWER
    assert verify(CHALLENGE, ANSWER, KEY)


def test_the_official_client_answers_the_same() -> None:
    from databento.common import cram

    assert cram.get_challenge_response(CHALLENGE, KEY) == ANSWER


@pytest.mark.parametrize(
    ("challenge", "answer", "key"),
    [
        ("another", ANSWER, KEY),
        (CHALLENGE, ANSWER, KEY.replace("AA", "AB", 1)),
        (CHALLENGE, ANSWER.replace("0", "1", 1), KEY),
        (CHALLENGE, ANSWER, None),
        (CHALLENGE, response(CHALLENGE, "\0" * 32), None),
        (CHALLENGE, "é" * 70, KEY),
    ],
)
def test_nothing_else_is_accepted(challenge: str, answer: str, key: str | None) -> None:
    assert not verify(challenge, answer, key)


def test_an_answer_is_a_digest_and_a_bucket_id() -> None:
    digest, bucket = split_answer(ANSWER)
    assert digest == ANSWER[:64]
    assert bucket == bucket_of(KEY) == "bUcKt"
    assert split_answer(ANSWER[:65] + "a-b-c")[1] == "a-b-c"
    assert split_answer(response(CHALLENGE, "key"))[1] == "key"


@pytest.mark.parametrize(
    "answer", ["", "-bUcKt", ANSWER[:64], ANSWER[1:], ANSWER + "x", ANSWER.upper(), ANSWER[:65]]
)
def test_what_is_no_answer_is_refused(answer: str) -> None:
    with pytest.raises(ProtocolError, match="auth: expected 64 hex digits"):
        split_answer(answer)


def test_a_challenge_is_32_plain_characters_and_depends_on_every_bit() -> None:
    random = bytes(range(16))
    challenge = new_challenge(random)
    assert len(challenge) == 32
    assert challenge.isalnum()
    for n in range(16):
        changed = bytearray(random)
        changed[n] ^= 1
        assert new_challenge(bytes(changed)) != challenge


def test_a_challenge_needs_16_random_bytes() -> None:
    with pytest.raises(ValueError, match="takes 16 random bytes, got 15"):
        new_challenge(bytes(15))
