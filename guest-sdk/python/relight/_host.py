"""The host's imports, and what stands in for them outside of a component. Their types are in `_host.pyi`.

Off WebAssembly (in an editor, in unit tests of plain functions) the SDK can be imported, and nothing of it can be awaited.
"""

try:
    from componentize_py_types import Err, Ok
    from wit_world.imports import context, definition, http, inline_run, log, ops, requests, state, types, waiting
except ImportError:

    class Err(Exception):
        """Stands in for the error of a host call, so that it can be named in `except`."""

    class _Absent:
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            raise RuntimeError("there is no host here: handlers run in Relight; `relight test` runs them without a server")

    Ok = context = definition = http = inline_run = log = ops = requests = state = types = waiting = _Absent()
