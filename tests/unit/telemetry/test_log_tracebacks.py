"""Faults in the log: where they happened, without the values that were at hand."""

import pytest
import structlog

from depthcast.telemetry.logs import configure_logs


def fail(token: str) -> None:
    raise RuntimeError(f"{len(token)} characters")


@pytest.mark.parametrize("for_people", [False, True])
def test_no_value_of_a_variable_is_logged(capsys: pytest.CaptureFixture[str], for_people: bool) -> None:
    configure_logs(for_people=for_people)
    try:
        fail("s3cret")
    except RuntimeError as error:
        structlog.get_logger("test").error("failed", exc_info=error)
    finally:
        structlog.reset_defaults()
    text = capsys.readouterr().err
    assert "6 characters" in text
    assert "in fail" in text or '"name": "fail"' in text
    assert "s3cret" not in text.replace('fail("s3cret")', "")
