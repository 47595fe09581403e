"""Payloads as JSON: bytes in, values out, and back. What a type reads, and what its JSON Schema is, stands in `_shapes`.

JSON is written without spaces and with characters outside ASCII as themselves, as the SDKs for other languages do it: journals that
one of them wrote can be continued by another.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import re
import uuid
from typing import Any

from relight._shapes import Mismatch, shape_of
from relight.errors import TerminalFailure

# The reader recurses once per level, and an error of too deep a recursion would be tried again for ever. The same bound as that of the
# SDK for Rust.
_DEPTH_MAX = 128

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def encode(value: object) -> bytes:
    """A value as JSON. Raises `TypeError` or `ValueError` for what cannot be expressed."""
    text = json.dumps(value, default=_plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def decode(data: bytes, type: Any) -> Any:
    """A value from JSON. No bytes read as `null`. Raises `ValueError` with what is wrong and where."""
    if not data:
        plain = None
    else:
        _check_depth(data)
        try:
            plain = json.loads(data)
        except ValueError as error:
            raise ValueError(f"it is not JSON: {error}") from None
    try:
        return shape_of(type).read(plain)
    except Mismatch as mismatch:
        raise ValueError(str(mismatch)) from None


def decode_input(data: bytes, type: Any) -> Any:
    """The input of a handler. What cannot be read is the caller's mistake: a failure 400."""
    try:
        return decode(data, type)
    except ValueError as error:
        raise TerminalFailure(f"cannot read the input: {error}", code=400) from None


def decode_recorded(data: bytes, type: Any, what: str) -> Any:
    """A value that somebody recorded: a result, a state value."""
    try:
        return decode(data, type)
    except ValueError as error:
        raise TerminalFailure(f"cannot read {what}: {error}") from None


def _check_depth(data: bytes) -> None:
    if data.count(b"[") + data.count(b"{") <= _DEPTH_MAX:
        return
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", _STRINGS.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        if depth > _DEPTH_MAX:
            raise ValueError(f"it is nested deeper than {_DEPTH_MAX} levels")


def _plain(value: Any) -> Any:
    """What `json` does not know itself, in terms of what it knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump_json"):
        return json.loads(value.model_dump_json())
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    raise TypeError(f"a value of type `{type(value).__qualname__}` cannot be expressed in JSON")
