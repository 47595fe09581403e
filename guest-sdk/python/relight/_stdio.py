"""`print`, `sys.stdout`, `sys.stderr` and `logging` write to the log of the invocation."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

from relight import _host, _state

logger = logging.getLogger("relight")

# What every record has; the rest came from `extra`.
_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Stream(io.TextIOBase):
    """A line that is written becomes a line of the log."""

    def __init__(self, name: str, level: str, original: Any) -> None:
        self.name = name
        self._level = level
        self._original = original
        self._line = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not _state.is_built():
            return int(self._original.write(text))
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._log(line)
        return len(text)

    def flush(self) -> None:
        # A part of a line waits for its end, and at the latest for the end of the attempt or the next wait: see `flush` below.
        if not _state.is_built():
            self._original.flush()

    def end_line(self) -> None:
        if self._line:
            line, self._line = self._line, ""
            self._log(line)

    def _log(self, line: str) -> None:
        _host.log.log(_host.log.Level[self._level], line, [])


class _Handler(logging.Handler):
    """Records of `logging` become lines of the log; what `extra` says becomes their fields."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                from relight._report import report

                message = f"{message}\n{report(record.exc_info[1])}"
            if not _state.is_built():
                print(f"{record.levelname} {message}", file=sys.stderr)
                return
            fields = [
                (name, value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False))
                for name, value in vars(record).items()
                if name not in _RECORD_FIELDS
            ]
            if record.name != "root":
                fields.insert(0, ("logger", record.name))
            _host.log.log(_level(record.levelno), message, fields)
        except Exception:
            self.handleError(record)


def _level(number: int) -> _host.log.Level:
    level = _host.log.Level
    if number >= logging.ERROR:
        return level.ERROR
    if number >= logging.WARNING:
        return level.WARN
    if number >= logging.INFO:
        return level.INFO
    return level.DEBUG if number >= logging.DEBUG else level.TRACE


def flush() -> None:
    """Writes lines that have not been ended. What is in memory may be gone after a wait."""
    for stream in _STREAMS:
        stream.end_line()


def install() -> None:
    """Redirects everything. The server decides which levels it keeps, so all of them are handed on."""
    if _STREAMS:
        return
    _STREAMS.extend([_Stream("<stdout>", "INFO", sys.stdout), _Stream("<stderr>", "WARN", sys.stderr)])
    sys.stdout, sys.stderr = _STREAMS
    # Threads and processes are always the same ones, and asking for them reaches for the system.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.root.handlers = [_Handler()]
    logging.root.setLevel(logging.DEBUG)


_STREAMS: list[_Stream] = []
