"""The reference reads records as the layouts say."""

import numpy as np

from depthcast.book.reference_records import MBO_STRUCT, MboRecord, mbo_at
from depthcast.dbn.layout import MBO, MBO_SIZE


def test_the_fields_are_those_of_the_layout() -> None:
    assert MboRecord._fields == MBO.names
    assert MBO_STRUCT.size == MBO.itemsize == MBO_SIZE


def test_every_field_is_read_where_the_layout_puts_it() -> None:
    random = np.random.default_rng(7)
    data = random.integers(1, 256, 50 * MBO_SIZE, dtype=np.uint8).tobytes()
    for index, expected in enumerate(np.frombuffer(data, MBO).tolist()):
        assert mbo_at(data, index * MBO_SIZE) == expected
