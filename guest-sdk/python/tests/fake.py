"""A host in place of the real one: it knows operations and the order in which they complete, and no state machine.

Import it before `relight`. `Host.timer` and the like complete by themselves, in virtual time; what a test has not answered stays open, and
waiting for it ends the attempt with `Suspended`, which no handler can catch, as the real host does.
"""

import dataclasses
import enum
import sys
import types as python_types
from typing import Any


@dataclasses.dataclass
class Ok:
    value: Any


class Err(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value


class Suspended(BaseException):
    """The instance is dropped here."""


def _record(name: str, *fields: str) -> type:
    return dataclasses.make_dataclass(name, [(field, Any) for field in fields])


def _module(name: str, **members: Any) -> python_types.ModuleType:
    module = python_types.ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module
    return module


class Host:
    """Everything that is imported, and what came of it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.clock = 1_000_000
        self.operations: list[tuple[Any, ...]] = []
        self.waits: list[tuple[Any, ...]] = []
        self.lines: list[tuple[str, str, dict[str, str]]] = []
        self.state: dict[str, bytes] = {}
        self.answers: dict[str, Any] = {}
        self.completions: dict[int, tuple[int, int, Any]] = {}
        self.cancel_at_wait: int | None = None
        self.runs: dict[str, Any] = {}
        self.finished: Any = None
        self.responses: list[Any] = []
        self.requests: list[Any] = []
        self.drawn = 0

    # Operations.

    def operation(self, *parts: Any) -> int:
        self.operations.append(parts)
        handle = len(self.operations)
        answer = self.answers.get(":".join(str(part) for part in parts[:2]))
        if answer is not None:
            self.complete(handle, answer)
        return handle

    def complete(self, handle: int, value: Any, at: int | None = None) -> None:
        """A value, or `Err` with a failure."""
        self.completions[handle] = (at if at is not None else self.clock, len(self.completions), value)

    def timer(self, due: Any, name: str | None) -> int:
        at = self.clock + due.value if isinstance(due, ops.Due_After) else due.value
        self.operations.append(("timer", type(due).__name__, due.value, name))
        handle = len(self.operations)
        self.complete(handle, None, at)
        return handle

    def awakeable(self) -> tuple[int, str]:
        handle = self.operation("awakeable")
        return handle, f"sign_{handle}"

    # Waiting.

    def _cancel(self) -> None:
        if self.cancel_at_wait == len(self.waits):
            self.cancel_at_wait = None
            raise Err(types.WaitError_Cancelled())

    def _advance(self, handle: int) -> Any:
        if handle not in self.completions:
            raise Suspended
        at, _, value = self.completions[handle]
        self.clock = max(self.clock, at)
        return value

    def wait(self, handle: int) -> Any:
        self.waits.append(("wait", handle))
        self._cancel()
        value = self._advance(handle)
        if isinstance(value, Err):
            raise Err(types.WaitError_Failed(value.value))
        return value

    def wait_any(self, handles: list[int]) -> int:
        self.waits.append(("wait_any", *handles))
        self._cancel()
        done = sorted((self.completions[handle][:2], handle) for handle in handles if handle in self.completions)
        if not done:
            raise Suspended
        self._advance(done[0][1])
        return done[0][1]

    def wait_all(self, handles: list[int]) -> None:
        self.waits.append(("wait_all", *handles))
        self._cancel()
        for handle in handles:
            self._advance(handle)

    # Everything else.

    def random(self, count: int) -> bytes:
        self.drawn += 1
        return bytes((self.drawn * 31 + place) % 256 for place in range(count))

    def uuid(self) -> str:
        return "00000000-0000-4000-8000-000000000001"

    def start(self, name: str, retry: Any) -> Any:
        self.operations.append(("run", name, retry))
        return inline_run.Started_Recorded(self.runs[name]) if name in self.runs else inline_run.Started_Live()

    def finish(self, value: Any) -> None:
        self.finished = value
        raise Suspended

    def retry(self, message: str, after: int | None) -> None:
        self.finished = (message, after)
        raise Suspended

    def fetch(self, request: Any) -> Any:
        self.requests.append(request)
        response = self.responses.pop(0)
        if isinstance(response, Err):
            raise response
        return response

    def log(self, level: Any, message: str, fields: list[tuple[str, str]]) -> None:
        self.lines.append((level.name, message, dict(fields)))


host = Host()

types = _module(
    "wit_world.imports.types",
    Failure=_record("Failure", "code", "message", "metadata"),
    WaitError_Failed=_record("WaitError_Failed", "value"),
    WaitError_Cancelled=_record("WaitError_Cancelled"),
    Target=_record("Target", "service", "key", "handler"),
    OnExhausted=enum.Enum("OnExhausted", [("FAIL", 0), ("PAUSE", 1)]),
    RetryPolicy=_record(
        "RetryPolicy", "initial_interval", "factor", "max_interval", "max_attempts", "max_duration", "on_exhausted"
    ),
)
context = _module(
    "wit_world.imports.context",
    info=lambda: python_types.SimpleNamespace(
        id="inv_1", target=types.Target("S", "k", "h"), idempotency_key=None, caller="inv_0", headers=[], created_at=0
    ),
    now=lambda: host.clock,
    random=lambda count: host.random(count),
    uuid=lambda: host.uuid(),
)
state = _module(
    "wit_world.imports.state",
    get=lambda key: host.state.get(key),
    keys=lambda: sorted(host.state),
    set=lambda key, value: host.state.__setitem__(key, value),
    clear=lambda key: host.state.pop(key, None),
    clear_all=lambda: host.state.clear(),
)
ops = _module(
    "wit_world.imports.ops",
    Due_Now=_record("Due_Now"),
    Due_At=_record("Due_At", "value"),
    Due_After=_record("Due_After", "value"),
    CallOptions=_record("CallOptions", "name", "idempotency_key", "headers"),
    EffectOptions=_record("EffectOptions", "retry", "timeout"),
    call=lambda target, input, options: host.operation(
        "call", f"{target.service}/{target.handler}", target.key, input, options
    ),
    callee=lambda handle: f"inv_of_{handle}",
    send=lambda target, input, due, options: f"inv_of_{host.operation('send', target, input, due, options)}",
    timer=lambda due, name: host.timer(due, name),
    awakeable=lambda: host.awakeable(),
    resolve_awakeable=lambda id, value: host.operation("resolve-awakeable", id, value),
    signal=lambda name: host.operation("signal", name),
    send_signal=lambda to, name, value: host.operation("send-signal", to, name, value),
    promise=lambda name: host.operation("promise", name),
    promise_peek=lambda name: host.operation("promise-peek", name),
    promise_complete=lambda name, value: host.operation("promise-complete", name, value),
    attach=lambda id: host.operation("attach", id),
    output=lambda id: host.operation("output", id),
    cancel=lambda id: host.operation("cancel", id),
    effect=lambda name, input, options: host.operation("effect", name, input, options),
)
waiting = _module(
    "wit_world.imports.waiting",
    wait=lambda handle: host.wait(handle),
    wait_any=lambda handles: host.wait_any(handles),
    wait_all=lambda handles: host.wait_all(handles),
)
inline_run = _module(
    "wit_world.imports.inline_run",
    Started_Recorded=_record("Started_Recorded", "value"),
    Started_Live=_record("Started_Live"),
    start=lambda name, retry: host.start(name, retry),
    finish=lambda value: host.finish(value),
    retry=lambda message, after: host.retry(message, after),
)
http = _module(
    "wit_world.imports.http",
    Request=_record("Request", "method", "url", "headers", "body", "timeout"),
    Response=_record("Response", "status", "headers", "body"),
    Error_Denied=_record("Error_Denied", "value"),
    Error_Timeout=_record("Error_Timeout"),
    Error_Connect=_record("Error_Connect", "value"),
    Error_TooLarge=_record("Error_TooLarge"),
    Error_Other=_record("Error_Other", "value"),
    fetch=lambda request: host.fetch(request),
)
log = _module(
    "wit_world.imports.log",
    Level=enum.Enum("Level", ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]),
    log=lambda level, message, fields: host.log(level, message, fields),
)
definition = _module(
    "wit_world.imports.definition",
    ServiceKind=enum.Enum("ServiceKind", ["SERVICE", "VIRTUAL_OBJECT", "WORKFLOW"]),
    HandlerMode=enum.Enum("HandlerMode", ["EXCLUSIVE", "SHARED", "WORKFLOW"]),
    PayloadDef=_record("PayloadDef", "required", "content_type", "json_schema"),
    Options=_record(
        "Options", "public", "inactivity_timeout", "abort_timeout", "idempotency_retention", "journal_retention", "retry"
    ),
    HandlerDef=_record("HandlerDef", "name", "mode", "input", "output", "documentation", "options", "metadata"),
    EffectDef=_record("EffectDef", "name", "documentation", "retry", "timeout"),
    ServiceDef=_record("ServiceDef", "name", "kind", "handlers", "documentation", "options", "metadata"),
    Manifest=_record("Manifest", "sdk", "services", "effects"),
)
requests = _module(
    "wit_world.imports.requests",
    Request=_record("Request", "service", "key", "handler", "headers", "input"),
    EffectRequest=_record("EffectRequest", "name", "input", "attempt", "idempotency_key"),
    AttemptError_Retryable=_record("AttemptError_Retryable", "value"),
    AttemptError_Terminal=_record("AttemptError_Terminal", "value"),
)
_module("componentize_py_types", Ok=Ok, Err=Err)
_module("wit_world")
_module(
    "wit_world.imports",
    context=context,
    definition=definition,
    http=http,
    inline_run=inline_run,
    log=log,
    ops=ops,
    requests=requests,
    state=state,
    types=types,
    waiting=waiting,
)
