"""Durations and instants. The contract counts milliseconds; users write seconds or what the module `datetime` has for them."""

from __future__ import annotations

import datetime
import math
from typing import Union

Duration = Union[int, float, datetime.timedelta]
"""Seconds, or a `timedelta`."""

Instant = Union[int, float, datetime.datetime]
"""Seconds since the Unix epoch, or a `datetime`; one without a time zone is UTC."""

_U64_MAX = 2**64 - 1
# Seconds as a float are exact to a fraction of a microsecond for centuries around now. What is closer to a whole millisecond than this
# is one: 0.1 + 0.2 seconds are 300 ms, not 301.
_NOISE_MS = 1e-3


def to_millis(duration: Duration) -> int:
    """Rounded up, so that nothing happens early."""
    seconds = duration.total_seconds() if isinstance(duration, datetime.timedelta) else duration
    if not seconds >= 0:
        raise ValueError(f"a duration of {duration!r} is not possible")
    if seconds > _U64_MAX / 1000:
        return _U64_MAX
    return max(0, math.ceil(seconds * 1000 - _NOISE_MS))


def to_millis_or_none(duration: Duration | None) -> int | None:
    return None if duration is None else to_millis(duration)


def instant_to_millis(instant: Instant) -> int:
    if isinstance(instant, datetime.datetime):
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=datetime.timezone.utc)
        return to_millis(max(0.0, instant.timestamp()))
    return to_millis(max(0, instant))


def from_millis(millis: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(millis / 1000, datetime.timezone.utc)
