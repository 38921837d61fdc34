"""How long to wait before something is tried again."""

import random
from typing import Final

__all__ = ["delay_s"]

_MIN_S: Final = 0.1
_BASE_S: Final = 0.5
_MAX_S: Final = 60.0


def delay_s(attempts: int) -> float:
    """Exponential back-off with full jitter, after so many attempts that failed."""
    longest_s = min(_MAX_S, _BASE_S * 2 ** min(attempts, 16))
    return random.uniform(_MIN_S, longest_s)  # nosec B311
