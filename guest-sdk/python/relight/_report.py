"""Exceptions as texts for operators. A trap would lose the traceback, so it becomes part of the message of the failed attempt."""

from __future__ import annotations

import linecache
import os
import sys
import traceback
from types import TracebackType
from typing import Any

from relight import _state

# A part of what the host takes as a message (8 Ki characters); the end of a traceback, where it happened, is what helps.
_REPORT_CHARS_MAX = 4000

_SDK = os.path.dirname(__file__)
_STANDARD = os.path.dirname(os.__file__)


def report(error: BaseException) -> str:
    """The message first, since lists show only the beginning, then where it happened and what led to it."""
    message = _message(error)[:_REPORT_CHARS_MAX]
    stack = "\n".join(_stack(error, set()))
    if not stack:
        return message
    room = max(_REPORT_CHARS_MAX - len(message), _REPORT_CHARS_MAX // 2)
    return f"{message}\n{stack if len(stack) <= room else '…' + stack[-room:]}"


def _message(error: BaseException) -> str:
    name = type(error).__qualname__
    module = type(error).__module__
    try:
        text = str(error)
    except Exception as other:
        text = f"(its message cannot be made: {type(other).__qualname__})"
    lines = [f"{name if module in ('builtins', '__main__') else f'{module}.{name}'}{': ' if text else ''}{text}"]
    lines.extend(str(note) for note in getattr(error, "__notes__", ()))
    return "\n".join(lines)


def _stack(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))
    lines = _frames(error.__traceback__)
    if lines:
        lines.insert(0, "Traceback (most recent call last):")
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            lines += ["with:", _message(part), *_stack(part, seen)]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in seen:
        lines += ["caused by:" if error.__cause__ is not None else "while handling:", _message(cause)]
        lines += _stack(cause, seen)
    return lines


def _frames(step: TracebackType | None) -> list[str]:
    """The frames of the program, without those of the SDK and of asyncio between them."""
    lines = []
    while step is not None:
        code = step.tb_frame.f_code
        path = code.co_filename
        if not path.startswith((_SDK, os.path.join(_STANDARD, "asyncio"))):
            lines.append(f'  File "{_short(path)}", line {step.tb_lineno}, in {code.co_qualname}')
            source = linecache.getline(path, step.tb_lineno).strip()
            if source:
                lines.append(f"    {source}")
        step = step.tb_next
    return lines


def _short(path: str) -> str:
    """Without the folder of the build, which says nothing where the handler runs."""
    folders = sorted((folder for folder in sys.path if folder), key=len, reverse=True)
    for folder in folders:
        if path.startswith(f"{folder}/"):
            return path[len(folder) + 1 :]
    return path


def keep_sources() -> None:
    """Keeps the lines of the modules that were loaded by now, so that a traceback can show them where there are no files."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and path.endswith(".py") and not path.startswith((_STANDARD, _SDK)):
            linecache.getlines(path)
    linecache.checkcache = _keep_cache
    read = linecache.updatecache

    def read_at_build(filename: str, module_globals: dict[str, Any] | None = None) -> list[str]:
        # What was not read by now stays unread: looking for a file would be a trap.
        return [] if _state.is_built() else read(filename, module_globals)

    linecache.updatecache = read_at_build
    # To place its marks, `traceback` parses parts of lines; where that fails, the parser looks for a file, which would be a trap.
    for owner, name in ((traceback, "_extract_caret_anchors_from_line_segment"), (traceback.StackSummary, "_should_show_carets")):
        if hasattr(owner, name):
            setattr(owner, name, _nothing)


def _nothing(*_: Any) -> None:
    """No marks."""


def _keep_cache(filename: str | None = None) -> None:
    """Nothing changes here, and looking would ask for files."""
