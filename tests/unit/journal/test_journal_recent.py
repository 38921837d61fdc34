"""Values that were used last: so many, of so much weight."""

from depthcast.journal.recent import Recent


def test_what_was_used_longest_ago_goes_first() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]


def test_weights_count_together_and_a_new_value_replaces_its_old_weight() -> None:
    recent: Recent[str, int] = Recent(10, 100)
    recent.put("a", 1, 60)
    recent.put("a", 2, 30)
    recent.put("b", 3, 70)
    assert [recent.get(key) for key in "ab"] == [2, 3]
    recent.put("c", 4, 1)
    assert [recent.get(key) for key in "abc"] == [None, 3, 4]


def test_a_value_over_the_whole_weight_is_not_kept_and_drives_none_out() -> None:
    recent: Recent[str, int] = Recent(10, 100)
    recent.put("a", 1, 100)
    recent.put("b", 2, 101)
    assert [recent.get(key) for key in "ab"] == [1, None]
    recent.put("a", 3, 101)  # what is kept of a key is never an old value
    assert recent.get("a") is None
    recent.put("b", 2, 100)
    assert recent.get("b") == 2
