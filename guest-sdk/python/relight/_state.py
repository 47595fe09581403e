"""Where this instance is in its life. Everything that behaves differently inside a handler asks here."""

from __future__ import annotations

import enum


class Phase(enum.Enum):
    """What the code that runs may do."""

    BUILD = "build"
    """Modules are loaded while the component is built, or there is no component at all."""
    DESCRIBE = "describe"
    """The component says what it is."""
    HANDLER = "handler"
    """A handler: operations and waits; time and chance are those of the invocation."""
    LIVE = "live"
    """An effect or an inline run: `http` works; time and chance are real."""


phase = Phase.BUILD
"""Set by `component` and by `Context.run`, read by everyone."""


def is_built() -> bool:
    return phase is not Phase.BUILD
