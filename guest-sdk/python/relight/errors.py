"""Errors of handlers, effects and operations.

A `TerminalFailure` is a result like any other: it is recorded, never retried, and the caller of the handler gets it. Every other
exception that leaves a handler, an effect or an inline run makes its attempt fail, and it is tried again by its retry policy.
"""

from __future__ import annotations

from collections.abc import Mapping

from relight import _host
from relight._time import Duration, to_millis

_CODE_DEFAULT = 500
_CODE_CANCELLED = 409


class TerminalFailure(Exception):
    """A terminal failure. A `code` outside 400 to 599 becomes 500."""

    def __init__(
        self, message: str, *, code: int = _CODE_DEFAULT, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        """For people."""
        self.code = code if 400 <= code <= 599 else _CODE_DEFAULT
        """An HTTP status."""
        self.metadata: dict[str, str] = dict(metadata or {})
        """For programs."""

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, code={self.code}, metadata={self.metadata!r})"


class Cancelled(TerminalFailure):
    """*This* invocation was cancelled. Everything that is awaited when the cancellation is delivered raises it, once; whatever is
    awaited later works normally, so that the handler can compensate.

    A call whose callee was cancelled raises an ordinary `TerminalFailure` with the same code and message."""

    def __init__(self) -> None:
        super().__init__("cancelled", code=_CODE_CANCELLED)


class RetryableError(Exception):
    """Asks for another attempt: after a given time, as a `Retry-After` header does, or by the retry policy."""

    def __init__(self, message: str, *, after: Duration | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.after = after
        # A time that is none is the fault of this line, not of the one that reports the error.
        to_millis(after or 0)


def from_host(failure: _host.types.Failure) -> TerminalFailure:
    """A failure as the host has it."""
    return TerminalFailure(failure.message, code=failure.code, metadata=dict(failure.metadata))


def to_host(failure: TerminalFailure | str) -> _host.types.Failure:
    """A failure as the host wants it. A text is one with code 500."""
    if isinstance(failure, str):
        failure = TerminalFailure(failure)
    metadata = [(str(name), str(value)) for name, value in failure.metadata.items()]
    return _host.types.Failure(failure.code, failure.message, metadata)
