"""Clocks of the language's own: `time` and `datetime` show the time of the invocation, which is the same on replay.

All of them are the one clock that a handler has; `monotonic` and `perf_counter` move with it.
"""

from __future__ import annotations

import datetime
import time
import types
from collections.abc import Callable
from typing import Any

from relight import _host, _state

_NANOS_PER_MILLI = 1_000_000

_SECONDS = ("time", "monotonic", "perf_counter", "process_time", "thread_time")
_BREAKDOWNS = ("localtime", "gmtime", "ctime")


def install() -> dict[object, object]:
    """Replaces the clocks. Gives what was replaced by what, for names that others have imported already."""
    if getattr(time.time, "_relight", False):
        return {}
    replaced: dict[object, object] = {}

    def replace(name: str, inside: Callable[..., Any]) -> None:
        original = getattr(time, name, None)
        if original is None:
            return

        def clock(*args: Any, **kwargs: Any) -> Any:
            return inside(*args, **kwargs) if _state.is_built() else original(*args, **kwargs)

        clock.__name__ = clock.__qualname__ = name
        clock.__doc__ = original.__doc__
        clock._relight = True  # type: ignore[attr-defined]
        replaced[original] = clock
        setattr(time, name, clock)

    def seconds(*_: Any) -> float:
        return _host.context.now() / 1000

    def nanos(*_: Any) -> int:
        return _host.context.now() * _NANOS_PER_MILLI

    for name in _SECONDS:
        replace(name, seconds)
        replace(f"{name}_ns", nanos)
    replace("clock_gettime", seconds)
    replace("clock_gettime_ns", nanos)
    replace("clock_getres", lambda _: 0.001)
    replace("get_clock_info", _clock_info)
    replace("sleep", _sleep)
    for name in _BREAKDOWNS:
        breakdown = getattr(time, name)
        replace(name, lambda secs=None, breakdown=breakdown: breakdown(seconds() if secs is None else secs))
    localtime = time.localtime
    for name, before in (("asctime", 0), ("strftime", 1)):
        show = getattr(time, name)
        replace(
            name,
            lambda *args, show=show, before=before: show(*(args if len(args) > before else (*args, localtime()))),
        )
    return {**replaced, **_install_dates()}


def _clock_info(name: str) -> types.SimpleNamespace:
    return types.SimpleNamespace(
        implementation="the invocation's clock", monotonic=True, adjustable=False, resolution=0.001
    )


def _sleep(_: float) -> None:
    raise RuntimeError("`time.sleep` would keep the instance: `await ctx.sleep(seconds)` waits durably, at no cost")


class _Kind(type):
    """Dates that were made by the original classes are dates, too."""

    _original: type

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls._original)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls._original)


def _install_dates() -> dict[object, object]:
    original_date, original_datetime = datetime.date, datetime.datetime

    class Date(original_date, metaclass=_Kind):  # type: ignore[misc, valid-type]
        _original = original_date

        @classmethod
        def today(cls) -> Any:
            return cls.fromtimestamp(time.time())

    class DateTime(original_datetime, metaclass=_Kind):  # type: ignore[misc, valid-type]
        _original = original_datetime

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return cls.fromtimestamp(time.time(), tz)

        @classmethod
        def today(cls) -> Any:
            return cls.now()

        @classmethod
        def utcnow(cls) -> Any:
            return cls.now(datetime.timezone.utc).replace(tzinfo=None)

    replaced: dict[object, object] = {}
    for original, class_ in ((original_date, Date), (original_datetime, DateTime)):
        class_.__name__ = class_.__qualname__ = original.__name__
        class_.__module__ = "datetime"
        class_.__doc__ = original.__doc__
        replaced[original] = class_
        setattr(datetime, original.__name__, class_)
    return replaced
