"""Randomness of the language's own: `random`, `os.urandom`, `secrets`, `uuid` draw from the stream of the invocation.

The state of the generator in the module `random` is made when the component is built, so every invocation would draw the same numbers:
it is seeded anew when one begins.
"""

from __future__ import annotations

import os
import random
import uuid
from typing import Any

from relight import _host, _state

_SEED_BYTES = 32
# The most that the host gives at once.
_DRAW_BYTES_MAX = 65_536


def random_bytes(count: int) -> bytes:
    """Bytes of the invocation's stream; live ones inside an effect or a run."""
    if count < 0:
        raise ValueError("the number of bytes is negative")
    parts = []
    while count > 0:
        part = min(count, _DRAW_BYTES_MAX)
        parts.append(_host.context.random(part))
        count -= part
    return b"".join(parts)


def seed() -> None:
    """A new life of the generators that `random` shares."""
    random.seed(int.from_bytes(random_bytes(_SEED_BYTES), "big"))


class Random(random.Random):
    """A generator whose numbers come from the invocation's stream."""

    def random(self) -> float:
        # As many bits as the mantissa has, so that no value rounds up to 1.
        return (int.from_bytes(random_bytes(8), "big") >> 11) * 2.0**-53

    def getrandbits(self, k: int) -> int:
        if k < 0:
            raise ValueError("the number of bits is negative")
        count = (k + 7) // 8
        return int.from_bytes(random_bytes(count), "big") >> (count * 8 - k)

    def seed(self, a: Any = None, version: int = 2) -> None:
        """The stream belongs to the invocation: it cannot be seeded."""

    def getstate(self) -> Any:
        raise NotImplementedError("the invocation's stream has no state of its own")

    def setstate(self, state: Any) -> None:
        raise NotImplementedError("the invocation's stream has no state of its own")


def install() -> dict[object, object]:
    """Replaces what draws from the system. Gives what was replaced by what, for names that others have imported already."""
    if getattr(os.urandom, "_relight", False):
        return {}
    system_urandom, generator_seed = os.urandom, random.Random.seed

    def urandom(size: int, /) -> bytes:
        return random_bytes(size) if _state.is_built() else system_urandom(size)

    def seed_generator(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None and _state.is_built():
            a = int.from_bytes(random_bytes(_SEED_BYTES), "big")
        generator_seed(self, a, version)

    def node() -> int:
        # Random, and marked as no network card's.
        return int.from_bytes(random_bytes(6), "big") | (1 << 40) if _state.is_built() else system_node()

    system_node = uuid.getnode
    urandom._relight = True  # type: ignore[attr-defined]
    random.Random.seed = seed_generator  # type: ignore[method-assign]
    os.urandom = urandom
    # Generators of the system's libraries, where there are any, would go round `os.urandom`.
    for name in ("_generate_time_safe", "_UuidCreate"):
        if hasattr(uuid, name):
            setattr(uuid, name, None)
    return {system_urandom: urandom, system_node: node}
