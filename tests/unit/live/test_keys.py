"""Keys: what is a good one, who is let in, what is stored."""

import itertools
import json

import pytest

from depthcast.errors import AuthenticationError, KeyStoreError, ProtocolError
from depthcast.live.cram import response
from depthcast.live.keys import KEPT_AFTER_END, Key, KeyRing, check_secret, make_key, new_secret

NOW = 1_758_742_200_000_000_000
S = 1_000_000_000
DATASET = "GLBX.MDP3"


def secret(bucket: str) -> str:
    return "db-".ljust(32 - len(bucket), "A") + bucket


def key(bucket: str = "aaaaa", name: str = "desk", **fields: object) -> Key:
    return make_key(name, secret(bucket), now_ns=NOW, **fields)  # type: ignore[arg-type]


def authenticate(ring: KeyRing, with_secret: str, now_ns: int = NOW, dataset: str = DATASET) -> Key:
    answer = response("challenge", with_secret)
    return ring.authenticate("challenge", answer, dataset=dataset, now_ns=now_ns)


class TestSecrets:
    def test_a_new_one_is_32_letters_and_digits(self) -> None:
        made = new_secret(bytes(range(32)))
        check_secret(made)
        assert made.startswith("db-")
        assert made[3:].isalnum()
        assert made.isascii()

    def test_it_depends_on_the_random_bytes(self) -> None:
        made = {new_secret(bytes([n]) * 32) for n in range(256)}
        assert len(made) == len({each[-5:] for each in made}) == 256

    def test_too_few_random_bytes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="takes 32 random bytes, got 31"):
            new_secret(bytes(31))

    def test_a_rings_new_secret_has_a_bucket_id_of_its_own(self) -> None:
        first = new_secret(bytes(32))
        ring = KeyRing([make_key("a", first, now_ns=NOW)])
        draws = iter([bytes(32), bytes(32), bytes([7]) * 32])
        second = ring.new_secret(lambda count: next(draws)[:count])
        assert second == new_secret(bytes([7]) * 32)
        assert second[-5:] != first[-5:]

    @pytest.mark.parametrize("text", ["", "db-short", "x" * 33, "é" * 32, "a b" + "x" * 29, "a|b" + "x" * 29])
    def test_what_is_no_key_is_refused_and_not_shown(self, text: str) -> None:
        with pytest.raises(ValueError, match="a key") as caught:
            check_secret(text)
        assert text == "" or text not in str(caught.value)


class TestKey:
    def test_its_repr_shows_the_bucket_id_alone(self) -> None:
        made = key("bUcKt")
        assert repr(made) == str(made) == "Key('desk', ...bUcKt)"
        assert made.id == "bUcKt"

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"name": ""}, "name has 1 to 64 printable"),
            ({"name": "x" * 65}, "name has 1 to 64 printable"),
            ({"name": "a\nb"}, "name has 1 to 64 printable"),
            ({"max_sessions": 0}, "allows 1 to 100,000 sessions, not 0"),
            ({"max_sessions": 100_001}, "not 100,001"),
            ({"datasets": ()}, "datasets are codes"),
            ({"datasets": ("A" * 16,)}, "datasets are codes"),
        ],
    )
    def test_a_bad_value_is_named(self, fields: dict[str, object], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            key(**fields)  # type: ignore[arg-type]

    def test_it_ends_when_it_expires_or_is_revoked(self) -> None:
        made = key(expires_ns=NOW + 10 * S)
        assert made.ended(NOW) is None
        assert made.ended(NOW + 10 * S - 1) is None
        assert made.ended(NOW + 10 * S) == "expired"
        [revoked] = KeyRing([made]).revoke(made, NOW + 5 * S)
        assert revoked.ended(NOW + 5 * S - 1) is None
        assert revoked.ended(NOW + 5 * S) == "revoked"


class TestAuthentication:
    RING = KeyRing(
        [key("aaaaa", "a"), key("bbbbb", "b", expires_ns=NOW + S), key("ccccc", datasets=(DATASET,))]
    )

    def test_a_good_key_is_let_in(self) -> None:
        for each in self.RING:
            assert authenticate(self.RING, each.secret) is each

    @pytest.mark.parametrize("wrong", [secret("zzzzz"), "db-B" + secret("aaaaa")[4:], "short", "é"])
    def test_no_such_key_and_a_wrong_secret_look_the_same(self, wrong: str) -> None:
        with pytest.raises(AuthenticationError, match=r"^User authentication failed\.$") as caught:
            authenticate(self.RING, wrong)
        assert caught.value.code == 1

    def test_an_ended_key_is_told_so(self) -> None:
        with pytest.raises(AuthenticationError, match="The key is expired") as caught:
            authenticate(self.RING, secret("bbbbb"), NOW + S)
        assert caught.value.code == 2
        revoked = self.RING.revoke(key("aaaaa"), NOW)
        with pytest.raises(AuthenticationError, match="The key is revoked"):
            authenticate(revoked, secret("aaaaa"))

    def test_who_has_not_the_secret_is_not_told_that_a_key_ended(self) -> None:
        with pytest.raises(AuthenticationError, match="User authentication failed"):
            authenticate(self.RING, "db-B" + secret("bbbbb")[4:], NOW + S)

    def test_a_key_may_be_for_some_datasets(self) -> None:
        with pytest.raises(AuthenticationError, match=r"The key is not for XNAS\.ITCH") as caught:
            authenticate(self.RING, secret("ccccc"), dataset="XNAS.ITCH")
        assert caught.value.code == 1

    def test_what_is_no_answer_is_a_broken_protocol(self) -> None:
        with pytest.raises(ProtocolError, match="auth: expected 64 hex digits"):
            self.RING.authenticate("challenge", "x", dataset=DATASET, now_ns=NOW)

    def test_a_running_session_ends_with_its_key(self) -> None:
        [running, *others] = self.RING
        self.RING.check(running, dataset=DATASET, now_ns=NOW)
        replaced = key(running.id, "a")
        same_bucket = make_key("a", "db-B" + replaced.secret[4:], now_ns=NOW)
        for ring in (
            self.RING.revoke(running, NOW),
            KeyRing(others),
            KeyRing([same_bucket]),
        ):
            with pytest.raises(AuthenticationError) as caught:
                ring.check(running, dataset=DATASET, now_ns=NOW)
            assert caught.value.code == 2


class TestRing:
    def test_a_bucket_id_is_one_keys(self) -> None:
        first, second = key("aaaaa"), make_key("b", "db-B" + secret("aaaaa")[4:], now_ns=NOW)
        with pytest.raises(KeyStoreError, match="two keys end in aaaaa"):
            KeyRing([first, second])
        with pytest.raises(KeyStoreError, match="two keys end in aaaaa"):
            KeyRing([first]).with_keys([second])

    def test_keys_are_named_by_bucket_id_or_name(self) -> None:
        keys = [key("aaaaa", "x"), key("bbbbb", "x"), key("ccccc", "aaaaa")]
        ring = KeyRing(keys)
        assert ring.named("bbbbb") == [keys[1]]
        assert ring.named("x") == keys[:2]
        assert ring.named("aaaaa") == [keys[0], keys[2]]
        assert ring.named("nobody") == []

    def test_an_empty_ring_is_false(self) -> None:
        assert not KeyRing()
        assert KeyRing([key()])
        assert KeyRing().get("aaaaa") is None

    def test_keys_that_ended_long_ago_are_dropped(self) -> None:
        kept = int(KEPT_AFTER_END.total_seconds()) * S
        ring = KeyRing([key("aaaaa"), key("bbbbb", expires_ns=NOW + S)]).revoke(key("aaaaa"), NOW)
        assert len(ring.without_ended(NOW + kept - 1)) == 2
        assert [each.id for each in ring.without_ended(NOW + kept)] == ["bbbbb"]
        assert len(ring.without_ended(NOW + kept + S)) == 0


class TestDocument:
    def test_what_is_stored_is_read_back(self) -> None:
        keys = [
            key("aaaaa", "Zoë's desk", max_sessions=3, expires_ns=NOW + S, datasets=(DATASET, "XNAS.ITCH")),
            key("bbbbb"),
        ]
        ring = KeyRing(keys).revoke(keys[1], NOW + 2 * S)
        for indent in (0, 2):
            assert list(KeyRing.from_json(ring.to_json(indent=indent))) == list(ring)

    def test_it_is_the_document_that_the_guide_shows(self) -> None:
        document = json.loads(KeyRing([key("aaaaa", expires_ns=NOW + S)]).to_json())
        assert document == {
            "version": 1,
            "keys": [
                {
                    "name": "desk",
                    "secret": secret("aaaaa"),
                    "created": "2025-09-24T19:30:00Z",
                    "expires": "2025-09-24T19:30:01Z",
                }
            ],
        }

    @pytest.mark.parametrize(
        ("document", "message"),
        [
            ("", "not a list of keys"),
            ("[]", "not a list of keys"),
            ('{"version": 2, "keys": []}', "keys of format 2; this Depthcast knows 1"),
            ('{"version": 1, "keys": [], "more": 1}', "unknown field `more`"),
            (
                '{"version": 1, "keys": [{"name": "a"}]}',
                r"missing required field `secret` - at `\$.keys\[0\]`",
            ),
        ],
    )
    def test_what_is_no_list_of_keys_is_refused(self, document: str, message: str) -> None:
        with pytest.raises(KeyStoreError, match=message):
            KeyRing.from_json(document)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"secret": "db-short"}, r"a key has 32 characters, this one 8 - at `\$.keys\[0\]`"),
            ({"created": "2025-09-24T19:30:00"}, "created"),
            ({"max_sessions": "3"}, "max_sessions"),
            ({"max_sessions": 0}, "allows 1 to"),
            ({"colour": "blue"}, "colour"),
        ],
    )
    def test_a_bad_key_is_named_by_its_place_and_not_shown(
        self, changes: dict[str, object], message: str
    ) -> None:
        good = json.loads(KeyRing([key()]).to_json())["keys"][0]
        with pytest.raises(KeyStoreError, match=message) as caught:
            KeyRing.from_json(json.dumps({"version": 1, "keys": [good | changes]}))
        assert good["secret"] not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_two_keys_of_one_bucket_id_are_refused(self) -> None:
        one, two = (
            json.loads(KeyRing([make_key("a", f"db-{letter}" + secret("aaaaa")[4:], now_ns=NOW)]).to_json())[
                "keys"
            ][0]
            for letter in "AB"
        )
        with pytest.raises(KeyStoreError, match="two keys end in aaaaa"):
            KeyRing.from_json(json.dumps({"version": 1, "keys": [one, two]}))


def test_every_order_of_changes_keeps_the_keys() -> None:
    keys = [key("aaaaa"), key("bbbbb"), key("ccccc")]
    for order in itertools.permutations(keys):
        ring = KeyRing()
        for each in order:
            ring = ring.with_keys([each])
        assert list(ring) == list(order)
