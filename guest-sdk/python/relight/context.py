"""What a handler can do. A class for each kind of handler, so that what a handler may not do is not there:

    Context                calls, sends, timers, awakeables, signals, effects, inline runs
    SharedObjectContext    the same, and reads the state of its key
    ObjectContext          the same, and writes it
    SharedWorkflowContext  reads the state of its key, and has its promises
    WorkflowContext        the same, and writes the state

Everything starts when it is asked for, except a run, which starts when it is awaited. What it gives can be awaited later, or passed to
`asyncio.gather` and the like.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import inspect
import random
import typing
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NewType, TypeVar, overload

from relight import _chance, _host, _json, _state, retry as _retry
from relight._loop import Decode, Loop, Operation
from relight._report import report
from relight._time import Duration, Instant, from_millis, instant_to_millis, to_millis, to_millis_or_none
from relight.definitions import ABSENT, Handler, KeyedHandler, ServiceHandler
from relight.effects import EffectRequest
from relight.errors import RetryableError, TerminalFailure, from_host, to_host
from relight.http import Headers
from relight.retry import RetryPolicy

I = TypeVar("I")  # noqa: E741 (the input)
O = TypeVar("O")  # noqa: E741 (the output)
T = TypeVar("T")

InvocationId = NewType("InvocationId", str)
"""`inv_1…`"""

AwakeableId = NewType("AwakeableId", str)
"""`sign_1…`"""


@dataclasses.dataclass(frozen=True)
class InvocationTarget:
    """Which handler runs, and for which key."""

    service: str
    key: str | None
    handler: str


class Call(Operation[T]):
    """A call that has been made."""

    @property
    def invocation_id(self) -> InvocationId:
        """The invocation that was called."""
        return InvocationId(_host.ops.callee(self._handle))


class Awakeable(Operation[T]):
    """A promise with a public id, for anyone outside to resolve or reject."""

    id: AwakeableId


def _decoder(type: Any, what: str) -> Decode:
    return lambda data: _json.decode_recorded(data or b"", type, what)


def _optional_decoder(type: Any, what: str) -> Decode:
    return lambda data: None if data is None else _json.decode_recorded(data, type, what)


def _nothing(_: bytes | None) -> None:
    return None


def _result(value: object) -> Any:
    return _host.Ok(_json.encode(value))


class Context:
    """The context of a service's handler."""

    def __init__(self, loop: Loop, headers: list[tuple[str, str]]) -> None:
        self._loop = loop
        self._headers = headers

    # Calling.

    @overload
    def call(
        self, handler: ServiceHandler[None, O], /, *, name: str | None = None, idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Call[O]: ...  # fmt: skip
    @overload
    def call(
        self, handler: ServiceHandler[I, O], argument: I, /, *, name: str | None = None,
        idempotency_key: str | None = None, headers: Mapping[str, str] | None = None,
    ) -> Call[O]: ...  # fmt: skip
    @overload
    def call(
        self, handler: KeyedHandler[None, O], /, *, key: str, name: str | None = None, idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Call[O]: ...  # fmt: skip
    @overload
    def call(
        self, handler: KeyedHandler[I, O], argument: I, /, *, key: str, name: str | None = None,
        idempotency_key: str | None = None, headers: Mapping[str, str] | None = None,
    ) -> Call[O]: ...  # fmt: skip
    def call(
        self, handler: Any, argument: Any = ABSENT, /, *, key: str | None = None, name: str | None = None,
        idempotency_key: str | None = None, headers: Mapping[str, str] | None = None,
    ) -> Any:  # fmt: skip
        """Call another handler: `await ctx.call(reserve, key="a1")`. `name` is shown in the journal; the same idempotency key for the
        same handler and key is one invocation, whoever asks."""
        target, data = _target(handler, argument, key)
        handle = _host.ops.call(target, data, _call_options(name, idempotency_key, headers))
        return Call(self._loop, handle, _decoder(handler.types[1], f"the result of `{handler.service}/{handler.name}`"))

    @overload
    def send(
        self, handler: ServiceHandler[None, Any], /, *, delay: Duration | None = None, at: Instant | None = None,
        name: str | None = None, idempotency_key: str | None = None, headers: Mapping[str, str] | None = None,
    ) -> InvocationId: ...  # fmt: skip
    @overload
    def send(
        self, handler: ServiceHandler[I, Any], argument: I, /, *, delay: Duration | None = None,
        at: Instant | None = None, name: str | None = None, idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> InvocationId: ...  # fmt: skip
    @overload
    def send(
        self, handler: KeyedHandler[None, Any], /, *, key: str, delay: Duration | None = None, at: Instant | None = None,
        name: str | None = None, idempotency_key: str | None = None, headers: Mapping[str, str] | None = None,
    ) -> InvocationId: ...  # fmt: skip
    @overload
    def send(
        self, handler: KeyedHandler[I, Any], argument: I, /, *, key: str, delay: Duration | None = None,
        at: Instant | None = None, name: str | None = None, idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> InvocationId: ...  # fmt: skip
    def send(
        self, handler: Any, argument: Any = ABSENT, /, *, key: str | None = None, delay: Duration | None = None,
        at: Instant | None = None, name: str | None = None, idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> InvocationId:  # fmt: skip
        """Call without waiting for the result, now, after a delay, or at a time. It arrives exactly once."""
        target, data = _target(handler, argument, key)
        options = _call_options(name, idempotency_key, headers)
        return InvocationId(_host.ops.send(target, data, _due(delay, at), options))

    # Time.

    def sleep(self, duration: Duration, *, name: str | None = None) -> Operation[None]:
        """A durable timer. It completes when the time has come, in a later life of this handler if need be."""
        due = _host.ops.Due_After(to_millis(duration))
        return Operation(self._loop, _host.ops.timer(due, name), _nothing)

    def sleep_until(self, at: Instant, *, name: str | None = None) -> Operation[None]:
        """A durable timer that completes at a given time; at once when it has passed."""
        return Operation(self._loop, _host.ops.timer(_host.ops.Due_At(instant_to_millis(at)), name), _nothing)

    def now(self) -> datetime.datetime:
        """The time of this invocation, in UTC. It moves when the handler starts operations or a wait returns, and is the same on
        replay. `time.time()` and `datetime.now()` show it, too."""
        return from_millis(_host.context.now())

    # Being told something, and telling others.

    @overload
    def awakeable(self) -> Awakeable[Any]: ...
    @overload
    def awakeable(self, type: type[T]) -> Awakeable[T]: ...
    def awakeable(self, type: Any = Any) -> Any:
        """A promise that anyone outside can resolve or reject by its `id`, over HTTP or from another handler."""
        handle, id = _host.ops.awakeable()
        awakeable: Awakeable[Any] = Awakeable(self._loop, handle, _decoder(type, "the value of an awakeable"))
        awakeable.id = AwakeableId(id)
        return awakeable

    def resolve_awakeable(self, id: str, value: object = None) -> None:
        """Resolve somebody's awakeable. The first to resolve or reject it wins."""
        _host.ops.resolve_awakeable(id, _result(value))

    def reject_awakeable(self, id: str, reason: TerminalFailure | str) -> None:
        """Reject somebody's awakeable; awaiting it raises the failure. A text is one with code 500."""
        _host.ops.resolve_awakeable(id, _host.Err(to_host(reason)))

    @overload
    def signal(self, name: str) -> Operation[Any]: ...
    @overload
    def signal(self, name: str, type: type[T]) -> Operation[T]: ...
    def signal(self, name: str, type: Any = Any) -> Any:
        """The next value of a named signal that is sent to this invocation, before this or after: the k-th operation for a name gets its
        k-th value."""
        return Operation(self._loop, _host.ops.signal(name), _decoder(type, f"the value of the signal `{name}`"))

    def send_signal(self, to: str, name: str, value: object = None) -> None:
        """Send a named value to another invocation. Sent to one that is unknown or completed, it is dropped."""
        _host.ops.send_signal(to, name, _result(value))

    def reject_signal(self, to: str, name: str, reason: TerminalFailure | str) -> None:
        """Send a failure as a signal's value: awaiting it raises the failure. A text is one with code 500."""
        _host.ops.send_signal(to, name, _host.Err(to_host(reason)))

    # Other invocations.

    @overload
    def attach(self, id: str) -> Operation[Any]: ...
    @overload
    def attach(self, id: str, type: type[T]) -> Operation[T]: ...
    def attach(self, id: str, type: Any = Any) -> Any:
        """The result of another invocation, when it has one. An unknown id is a failure 404."""
        return Operation(self._loop, _host.ops.attach(id), _decoder(type, "the result of an invocation"))

    @overload
    def output(self, id: str) -> Operation[Any]: ...
    @overload
    def output(self, id: str, type: type[T]) -> Operation[T | None]: ...
    def output(self, id: str, type: Any = Any) -> Any:
        """The result of another invocation if it has one by now, else `None`. An unknown id is a failure 404."""
        return Operation(self._loop, _host.ops.output(id), _optional_decoder(type, "the result of an invocation"))

    def cancel(self, id: str) -> None:
        """Cancel another invocation: what it awaits raises `Cancelled`, and it may compensate. One that is unknown or completed is left
        alone."""
        _host.ops.cancel(id)

    # Touching the world.

    def effect(
        self, request: EffectRequest[T], *, retry: RetryPolicy | None = None, timeout: Duration | None = None
    ) -> Operation[T]:
        """Run an effect: `await ctx.effect(charge(request))`. What is said here overrides what the effect declares."""
        options = None
        if retry is not None or timeout is not None:
            options = _host.ops.EffectOptions(_retry.to_host(retry), to_millis_or_none(timeout))
        handle = _host.ops.effect(request.name, request.input, options)
        return Operation(self._loop, handle, _decoder(request.output, f"the result of the effect `{request.name}`"))

    @overload
    async def run(
        self, name: str, work: Callable[[], Awaitable[T]], *, type: Any = ..., retry: RetryPolicy | None = ...
    ) -> T: ...
    @overload
    async def run(
        self, name: str, work: Callable[[], T], *, type: Any = ..., retry: RetryPolicy | None = ...
    ) -> T: ...
    async def run(
        self, name: str, work: Callable[[], Any], *, type: Any = ABSENT, retry: RetryPolicy | None = None
    ) -> Any:
        """Do a piece of real work in the middle of the handler: `await ctx.run("quote", lambda: fetch_quote(carrier))`.

        The function is called unless its result is recorded already; what it returns is recorded, and then the handler goes on in a fresh
        instance, by replay. So whatever else it leaves behind in memory is gone, and a loop of many runs replays again and again: use
        effects there. Inside it `relight.http` works, and time and chance are live; operations and waits trap.

        The result is read as `type`, else as what the function is annotated to return, else as plain JSON.
        """
        return self.run_now(name, work, type=type, retry=retry)

    def run_now(
        self, name: str, work: Callable[[], Any], *, type: Any = ABSENT, retry: RetryPolicy | None = None
    ) -> Any:
        """The same in a plain `def` handler, which cannot await."""
        started = _host.inline_run.start(name, _retry.to_host(retry))
        if isinstance(started, _host.inline_run.Started_Live):
            _do_live(work)
        recorded = started.value
        if isinstance(recorded, _host.Err):
            raise from_host(recorded.value)
        result_type = _returned(work) if type is ABSENT else type
        return _json.decode_recorded(recorded.value, result_type, f"the result of the run `{name}`")

    # Waiting for several.

    async def all(self, operations: Iterable[Operation[T]]) -> list[T]:
        """Wait for all of them, failed ones included; a suspended handler is woken once for all of them. Gives their results in order, or
        raises the failure of the first, in order, that failed."""
        current = [operation._current() for operation in operations]
        group = object()
        for operation in current:
            operation._group = group
        if current:
            await asyncio.wait(current)
        return [operation.result() for operation in current]

    async def race(self, operations: Iterable[Operation[T]]) -> tuple[int, T]:
        """Wait for the first that completes. Gives its place and its result, or raises its failure. The others go on."""
        current = await self._first(operations)
        for place, operation in enumerate(current):
            if operation.done():
                return place, operation.result()
        raise AssertionError("one of them has completed")

    async def any(self, operations: Iterable[Operation[T]]) -> tuple[int, T]:
        """Wait for the first that succeeds. Gives its place and its result; when all have failed, raises the failure of the first in
        order."""
        current = await self._first(operations)
        while True:
            for place, operation in enumerate(current):
                if operation.done() and (operation._reported or operation.exception() is None):
                    return place, operation.result()
            pending = [operation for operation in current if not operation.done()]
            if not pending:
                return 0, current[0].result()
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)

    async def _first(self, operations: Iterable[Operation[T]]) -> list[Operation[T]]:
        current = [operation._current() for operation in operations]
        if not current:
            raise ValueError("there is nothing to wait for")
        await asyncio.wait(current, return_when=asyncio.FIRST_COMPLETED)
        return current

    # Chance.

    @property
    def random(self) -> random.Random:
        """Random numbers that are the same on replay: `ctx.random.randint(1, 6)`. Not for secrets."""
        return _chance.Random()

    def random_bytes(self, count: int) -> bytes:
        """Random bytes, the same on replay. Not for secrets."""
        return _chance.random_bytes(count)

    def uuid(self) -> uuid.UUID:
        """A version 4 UUID, the same on replay."""
        return uuid.UUID(_host.context.uuid())

    # Who and what.

    @property
    def invocation_id(self) -> InvocationId:
        """The id of this invocation."""
        return InvocationId(_host.context.info().id)

    @property
    def target(self) -> InvocationTarget:
        """The service, key and handler that were invoked."""
        target = _host.context.info().target
        return InvocationTarget(target.service, target.key, target.handler)

    @property
    def caller(self) -> InvocationId | None:
        """The invocation that called or sent this one; `None` when it came over HTTP."""
        caller = _host.context.info().caller
        return None if caller is None else InvocationId(caller)

    @property
    def idempotency_key(self) -> str | None:
        """The key under which the caller made this invocation idempotent."""
        return _host.context.info().idempotency_key

    @property
    def headers(self) -> Headers:
        """The headers of the request."""
        return Headers(self._headers)


class SharedObjectContext(Context):
    """The context of a virtual object's shared handler: everything that `Context` has, and the state of the key, to read."""

    def __init__(self, loop: Loop, headers: list[tuple[str, str]], key: str) -> None:
        super().__init__(loop, headers)
        self.key = key
        """The key of this virtual object or workflow."""

    @overload
    def get(self, name: str) -> Any: ...
    @overload
    def get(self, name: str, type: type[T]) -> T | None: ...
    @overload
    def get(self, name: str, type: type[T], default: T) -> T: ...
    def get(self, name: str, type: Any = Any, default: Any = None) -> Any:
        """The value under `name`, or the default where there is none."""
        data = _host.state.get(name)
        return default if data is None else _json.decode_recorded(data, type, f"the state value `{name}`")

    def keys(self) -> list[str]:
        """The names of all values, in byte order."""
        return _host.state.keys()


class _Writes(SharedObjectContext):
    """Writing the state of a key."""

    def set(self, name: str, value: object) -> None:
        """Set the value under `name`."""
        _host.state.set(name, _json.encode(value))

    def clear(self, name: str) -> None:
        """Remove the value under `name`."""
        _host.state.clear(name)

    def clear_all(self) -> None:
        """Remove all values of this key."""
        _host.state.clear_all()


class ObjectContext(_Writes):
    """The context of a virtual object's exclusive handler: everything that `SharedObjectContext` has, and the state, to write."""


class SharedWorkflowContext(SharedObjectContext):
    """The context of a workflow's handlers beside its run: everything that `Context` has, the state of the key, to read, and its
    promises."""

    @overload
    def promise(self, name: str) -> Operation[Any]: ...
    @overload
    def promise(self, name: str, type: type[T]) -> Operation[T]: ...
    def promise(self, name: str, type: Any = Any) -> Any:
        """The value of a promise of this key, when it has one: one value, whoever completes it and whoever awaits it."""
        return Operation(self._loop, _host.ops.promise(name), _decoder(type, f"the value of the promise `{name}`"))

    @overload
    def peek_promise(self, name: str) -> Operation[Any]: ...
    @overload
    def peek_promise(self, name: str, type: type[T]) -> Operation[T | None]: ...
    def peek_promise(self, name: str, type: Any = Any) -> Any:
        """Its value if it has one by now, else `None`. A promise that was rejected raises its failure."""
        decode = _optional_decoder(type, f"the value of the promise `{name}`")
        return Operation(self._loop, _host.ops.promise_peek(name), decode)

    def resolve_promise(self, name: str, value: object = None) -> Operation[None]:
        """Give a promise its value. Awaiting this raises a failure 409 when it has one already."""
        return Operation(self._loop, _host.ops.promise_complete(name, _result(value)), _nothing)

    def reject_promise(self, name: str, reason: TerminalFailure | str) -> Operation[None]:
        """Give a promise a failure, which awaiting it then raises. A text is one with code 500."""
        return Operation(self._loop, _host.ops.promise_complete(name, _host.Err(to_host(reason))), _nothing)


class WorkflowContext(SharedWorkflowContext, _Writes):
    """The context of a workflow's run: everything that `SharedWorkflowContext` has, and the state, to write."""


def _target(handler: Handler[Any, Any], argument: Any, key: str | None) -> tuple[_host.types.Target, bytes]:
    takes_input = handler.types[0] is not ABSENT
    if takes_input == (argument is ABSENT):
        raise TypeError(f"`{handler.service}/{handler.name}` takes {'an' if takes_input else 'no'} input")
    if isinstance(handler, KeyedHandler) != (key is not None):
        raise TypeError(f"`{handler.service}/{handler.name}` {'has no' if key is not None else 'needs a'} key")
    data = _json.encode(argument) if takes_input else b""
    return _host.types.Target(handler.service, key, handler.name), data


def _call_options(
    name: str | None, idempotency_key: str | None, headers: Mapping[str, str] | None
) -> _host.ops.CallOptions | None:
    if name is None and idempotency_key is None and not headers:
        return None
    return _host.ops.CallOptions(name, idempotency_key, list((headers or {}).items()))


def _due(delay: Duration | None, at: Instant | None) -> _host.ops.Due:
    if delay is not None and at is not None:
        raise TypeError("a message has a `delay` or a time (`at`), not both")
    if delay is not None:
        return _host.ops.Due_After(to_millis(delay))
    return _host.ops.Due_Now() if at is None else _host.ops.Due_At(instant_to_millis(at))


def _do_live(work: Callable[[], Any]) -> typing.NoReturn:
    """Does the work of a run and hands its result to the host, which ends this instance."""
    _state.phase = _state.Phase.LIVE
    _chance.seed()
    try:
        value = work()
        if inspect.isawaitable(value):
            value = _drive(value)
        data = _json.encode(value)
    except TerminalFailure as failure:
        _host.inline_run.finish(_host.Err(to_host(failure)))
    except RetryableError as error:
        _host.inline_run.retry(error.message, to_millis_or_none(error.after))
    except BaseException as error:
        _host.inline_run.retry(report(error), None)
    else:
        _host.inline_run.finish(_host.Ok(data))
    raise AssertionError("the host ends the instance when a run is over")


def _drive(work: Awaitable[Any]) -> Any:
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a run cannot wait: nothing else of the handler moves while it is done")


def _returned(work: Callable[[], Any]) -> Any:
    try:
        return typing.get_type_hints(work, include_extras=True).get("return", Any)
    except (TypeError, NameError):
        return Any
