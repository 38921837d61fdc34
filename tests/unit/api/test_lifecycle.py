"""When the service is ready: from the first complete books until it drains, whatever becomes of its feeds."""

import pytest

from depthcast.api.services import START_GRACE_S, Lifecycle, Stage


@pytest.mark.parametrize(
    ("filled", "after_s", "stage"),
    [
        ([], 100.0, Stage.STARTING),
        ([False], 100.0, Stage.STARTING),
        ([True], 0.0, Stage.RUNNING),
        ([True, False], START_GRACE_S, Stage.STARTING),
        ([True, False], START_GRACE_S + 0.1, Stage.RUNNING),
        ([False, False], START_GRACE_S + 0.1, Stage.STARTING),
        ([True, True], 0.0, Stage.RUNNING),
    ],
)
def test_stages(filled: list[bool], after_s: float, stage: Stage) -> None:
    now_s = 5.0
    lifecycle = Lifecycle(lambda: now_s)
    now_s += after_s
    assert lifecycle.uptime_s == after_s
    assert lifecycle.stage(filled) is stage
    lifecycle.drain()
    assert lifecycle.stage(filled) is Stage.DRAINING
