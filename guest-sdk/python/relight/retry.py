"""How often, and after which pauses, something that failed is tried again."""

from __future__ import annotations

import dataclasses
from typing import Literal

from relight import _host
from relight._time import Duration, to_millis, to_millis_or_none


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
    """The n-th retry comes `initial_interval * factor ** (n - 1)` after the failure, at most `max_interval`.

    Without bounds it retries for ever; when its bounds are reached the failure becomes the result, unless it says to pause.
    """

    initial_interval: Duration = 0.05
    """The pause before the first retry."""
    factor: float = 2.0
    """Growth from pause to pause, at least 1."""
    max_interval: Duration = 10.0
    """The longest pause; the first one, where that is longer."""
    max_attempts: int | None = None
    """Attempts in all, the first included."""
    max_duration: Duration | None = None
    """No further attempt when this time has passed since the first began."""
    on_exhausted: Literal["fail", "pause"] = "fail"
    """What happens when no further attempt is allowed: the failure becomes the result, or an operator decides."""

    def __post_init__(self) -> None:
        to_millis(self.initial_interval), to_millis(self.max_interval), to_millis_or_none(self.max_duration)
        if not self.factor >= 1:
            raise ValueError(f"a factor of {self.factor} would make the pauses shorter and shorter")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ValueError("the first attempt counts: `max_attempts` is at least 1")
        if self.on_exhausted not in ("fail", "pause"):
            raise ValueError(f"`on_exhausted` is `fail` or `pause`, not {self.on_exhausted!r}")


def to_host(policy: RetryPolicy | None) -> _host.types.RetryPolicy | None:
    if policy is None:
        return None
    first = to_millis(policy.initial_interval)
    exhausted = _host.types.OnExhausted
    return _host.types.RetryPolicy(
        first,
        policy.factor,
        max(first, to_millis(policy.max_interval)),
        policy.max_attempts,
        to_millis_or_none(policy.max_duration),
        exhausted.PAUSE if policy.on_exhausted == "pause" else exhausted.FAIL,
    )
