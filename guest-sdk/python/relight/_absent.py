"""What a component does not have: files, sockets, threads, modules that were not loaded when it was built.

Reaching for one of them would be a trap without a message. Here it is an exception that says what to do.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec
from typing import Any

from relight import _state

_NO_FILES = "a component has no files: read them when a module is loaded, or pass their content to the handler"
_NO_SOCKETS = "a component has no sockets: `relight.http` sends requests from effects and runs"

_FILES: dict[Any, tuple[str, ...]] = {
    builtins: ("open",),
    io: ("open", "open_code"),
    os: (
        "open", "stat", "lstat", "listdir", "scandir", "access", "getcwd", "chdir", "mkdir", "rmdir", "unlink", "remove",
        "rename", "replace", "readlink", "symlink", "link", "utime", "truncate", "walk",
    ),
}  # fmt: skip
_SOCKETS: dict[Any, tuple[str, ...]] = {
    socket: ("socketpair", "create_connection", "create_server", "getaddrinfo", "gethostbyname", "gethostname"),
    socket.socket: ("__init__",),
}

# Modules that the standard library loads when a function is called for the first time.
_LATE_MODULES = ("_strptime", "encodings.ascii", "encodings.latin_1", "encodings.utf_8_sig", "encodings.utf_16")


def install() -> dict[object, object]:
    """Replaces what would trap. Gives what was replaced by what, for names that others have imported already."""
    if getattr(builtins.open, "_relight", False):
        return {}
    for name in _LATE_MODULES:
        try:
            import_module(name)
        except ImportError:
            pass  # Not every build of Python has all of them.
    return {**_refuse(_FILES, _NO_FILES), **_refuse(_SOCKETS, _NO_SOCKETS)}


def _refuse(table: dict[Any, tuple[str, ...]], message: str) -> dict[object, object]:
    replaced: dict[object, object] = {}
    for owner, names in table.items():
        for name in names:
            original = getattr(owner, name, None)
            if original is not None:
                replaced[original] = refusing = _refusing(original, message)
                setattr(owner, name, refusing)
    return replaced


def _refusing(original: Callable[..., Any], message: str) -> Callable[..., Any]:
    if getattr(original, "_relight", False):
        return original

    def refuse(*args: Any, **kwargs: Any) -> Any:
        if _state.is_built():
            raise OSError(errno.ENOTSUP, message)
        return original(*args, **kwargs)

    refuse._relight = True  # type: ignore[attr-defined]
    return refuse


# Modules that define what is replaced, or lie beneath it.
_ORIGINALS = {
    "_datetime", "_frozen_importlib_external", "_io", "_pydatetime", "_socket", "_strptime", "builtins", "datetime", "io", "posix",
    "time",
}  # fmt: skip


class _LateImports:
    """Says which module is missing: looking for its file would trap."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        raise ModuleNotFoundError(
            f"the module `{name}` was not loaded when the component was built: import it at the top of a module",
            name=name,
        )


def close() -> None:
    """From here on modules come from memory only. Every instance does this, so it must be cheap."""
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, _LateImports]


def forget_files() -> None:
    """Drops what the search for modules has noted about the folders of the machine that builds. To be called once, while the component
    is built: dropping it takes longer than most handlers, and writes to memory that all instances share."""
    sys.path_importer_cache.clear()


def carry_over(replaced: dict[object, object]) -> None:
    """Gives modules that have imported a replaced name (`from time import time`) the new one."""
    by_identity = {id(old): (old, new) for old, new in replaced.items()}
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict) or names.get("__name__") in _ORIGINALS:
            continue
        for name, value in list(names.items()):
            old, new = by_identity.get(id(value), (None, None))
            if old is not None and old is value and not name.startswith("__"):
                names[name] = new
