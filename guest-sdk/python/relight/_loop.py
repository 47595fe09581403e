"""The event loop of a handler. Its only blocking step is the host's: a wait for the operations that somebody awaits.

- An operation is a future that is known to the journal by its handle. It completes when the host says so, in the order in which the
  journal has it; everything else follows from the order of callbacks. So a replay runs the same callbacks in the same order.
- Only operations that are awaited are waited for: by `wait` for one, by `wait-all` when all of them belong to one `ctx.all`, else by
  `wait-any`.
- `call_later` and `call_at`, hence `asyncio.sleep`, `asyncio.timeout` and `asyncio.wait_for`, start durable timers.
- **Cancellation**: when a wait reports it, everything that is awaited at that moment raises `Cancelled`. That does not use an
  operation up: whoever awaits it again gets its result. Nor does a task that is cancelled while it awaits one.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from relight import _host, _stdio
from relight._time import to_millis
from relight.errors import Cancelled, TerminalFailure, from_host

T = TypeVar("T")

Decode = Callable[[bytes | None], Any]
"""Reads what has completed an operation: bytes, or nothing."""


class Operation(asyncio.Future[T]):
    """A durable operation that has been started. Awaiting it may suspend the handler.

    It is a future: `asyncio.gather`, `wait`, `wait_for` and the like take it as it is. Letting it go does not undo it; it only means that
    nobody waits for its result.
    """

    _again: Operation[T] | None = None
    _group: object = None
    _reported = False
    _waiters = 0

    def __init__(self, loop: Loop, handle: int, decode: Decode) -> None:
        super().__init__(loop=loop)
        self._handlers_loop = loop
        self._handle = handle
        self._decode = decode

    def wait(self) -> T:
        """Wait for the result in a plain `def` handler, which cannot await."""
        return self._handlers_loop.wait_for(self)

    def __await__(self) -> Generator[Any, None, T]:
        return (yield from asyncio.Future.__await__(self._current()))

    __iter__ = __await__

    def add_done_callback(self, *args: Any, **kwargs: Any) -> None:
        super().add_done_callback(*args, **kwargs)
        if not self.done():
            self._waiters += 1
            self._handlers_loop.awaited(self)

    def remove_done_callback(self, *args: Any) -> int:
        removed = super().remove_done_callback(*args)
        self._waiters -= removed
        if self._waiters <= 0:
            self._waiters = 0
            self._handlers_loop.forgotten(self)
        return removed

    def cancel(self, msg: Any | None = None) -> bool:
        self._handlers_loop.forgotten(self)
        return super().cancel(msg)

    def _current(self) -> Operation[T]:
        """This, or what stands for the same operation after a cancellation has been raised in its place."""
        current = self
        while current.done() and (current.cancelled() or current._reported):
            if current._again is None:
                current._again = Operation(self._handlers_loop, self._handle, self._decode)
            current = current._again
        return current

    def _complete(self, value: bytes | None) -> None:
        try:
            self.set_result(self._decode(value))
        except TerminalFailure as failure:
            self._fail(failure)

    def _fail(self, failure: TerminalFailure) -> None:
        self._reported = isinstance(failure, Cancelled)
        self.set_exception(failure)
        # Whoever races operations does not look at all of them.
        self._log_traceback = False


class _Timer(asyncio.TimerHandle):
    """A callback that is called when an operation, a timer, has completed."""

    __slots__ = ("journal_handle",)
    journal_handle: int | None


# Of the many methods that its type asks for, a handler needs few; the rest raise `NotImplementedError`.
_AbstractLoop: Any = asyncio.AbstractEventLoop


class Loop(_AbstractLoop):  # type: ignore[misc]
    """Runs one handler or effect."""

    def __init__(self, *, waits: bool) -> None:
        self._waits = waits
        self._ready: collections.deque[asyncio.Handle] = collections.deque()
        self._awaited: dict[int, Operation[Any]] = {}
        self._timers: dict[int, _Timer] = {}
        self._main: asyncio.Task[Any] | None = None
        self._ended = False

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a handler's or effect's coroutine to its end. What it leaves unfinished is dropped."""
        asyncio.events._set_running_loop(self)
        try:
            task = self._main = self.create_task(main)
            while True:
                while self._ready and not task.done():
                    handle = self._ready.popleft()
                    if not handle.cancelled():
                        handle._run()
                if task.done():
                    if self._ended and task.cancelled():
                        raise Cancelled
                    result: T = task.result()
                    return result
                self._wait()
        finally:
            asyncio.events._set_running_loop(None)

    # What operations tell.

    def awaited(self, operation: Operation[Any]) -> None:
        self._awaited[operation._handle] = operation

    def forgotten(self, operation: Operation[Any]) -> None:
        if self._awaited.get(operation._handle) is operation:
            del self._awaited[operation._handle]

    def wait_for(self, operation: Operation[T]) -> T:
        """The blocking form, for a handler that is no coroutine."""
        if asyncio.events._get_running_loop() is not None:
            raise RuntimeError("`wait` is for plain `def` handlers: await the operation here")
        _stdio.flush()
        operation = operation._current()
        if not operation.done():
            try:
                operation._complete(_fetch(operation._handle))
            except TerminalFailure as failure:
                operation._fail(failure)
        return operation.result()

    # Waiting.

    def _wait(self) -> None:
        handles = sorted([*self._awaited, *self._timers])
        if not handles:
            raise RuntimeError("this awaits something that is not an operation of Relight, so it would wait for ever")
        _stdio.flush()
        completed = handles
        if len(handles) > 1:
            try:
                if self._is_one_group():
                    _host.waiting.wait_all(handles)
                else:
                    completed = [_host.waiting.wait_any(handles)]
            except _host.Err:  # A wait for several fails with nothing but a cancellation.
                self._cancelled()
                return
        for handle in completed:
            # A cancellation that one of them reports ends the wait for the others.
            if handle in self._awaited or handle in self._timers:
                self._settle(handle)

    def _is_one_group(self) -> bool:
        if self._timers:
            return False
        groups = {id(operation._group) for operation in self._awaited.values()}
        return len(groups) == 1 and id(None) not in groups

    def _settle(self, handle: int) -> None:
        try:
            value = _fetch(handle)
        except Cancelled:
            self._cancelled()
        except TerminalFailure as failure:
            self._awaited.pop(handle)._fail(failure)  # Timers do not fail.
        else:
            timer = self._timers.pop(handle, None)
            if timer is not None:
                self._ready.append(timer)
            else:
                self._awaited.pop(handle)._complete(value)

    def _cancelled(self) -> None:
        awaited, self._awaited = self._awaited, {}
        for _, operation in sorted(awaited.items()):
            operation._fail(Cancelled())
        reached = bool(awaited)
        for handle, timer in sorted(self._timers.items()):
            sleeper = _sleeper(timer)
            if sleeper is not None:
                del self._timers[handle]
                sleeper.set_exception(Cancelled())
                reached = True
        if not reached and self._main is not None:
            # Only callbacks are due, and what awaits them is not known: the handler ends.
            self._ended = self._main.cancel()

    # What asyncio asks of a loop.

    def time(self) -> float:
        return _host.context.now() / 1000

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(self.time() + delay, callback, args, self, context)
        if delay <= 0:
            timer.journal_handle = None
            self._ready.append(timer)
            return timer
        if not self._waits:
            raise RuntimeError("an effect cannot sleep: raise `RetryableError(…, after=…)` to be tried again later")
        timer.journal_handle = _host.ops.timer(_host.ops.Due_After(to_millis(delay)), None)
        self._timers[timer.journal_handle] = timer
        return timer

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_later(when - self.time(), callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if isinstance(handle, _Timer) and handle.journal_handle is not None:
            self._timers.pop(handle.journal_handle, None)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, **kwargs)

    def get_task_factory(self) -> None:
        return None

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        raise RuntimeError("a handler has no threads: call the function itself")

    def run_until_complete(self, future: Any) -> Any:
        raise RuntimeError("the handler runs in a loop already: await this")

    run_forever = run_until_complete

    def is_running(self) -> bool:
        return asyncio.events._get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        pass

    def get_exception_handler(self) -> None:
        return None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        _stdio.logger.error(
            context.get("message") or "an exception in a callback", exc_info=context.get("exception")
        )

    default_exception_handler = call_exception_handler


def _fetch(handle: int) -> bytes | None:
    try:
        return _host.waiting.wait(handle)
    except _host.Err as error:
        reason = error.value
    if isinstance(reason, _host.types.WaitError_Failed):
        raise from_host(reason.value)
    raise Cancelled


def _sleeper(timer: _Timer) -> asyncio.Future[Any] | None:
    """The future that `asyncio.sleep` awaits, when this is its timer."""
    callback, arguments = getattr(timer, "_callback", None), getattr(timer, "_args", None)
    if callback is not asyncio.futures._set_result_unless_cancelled or not arguments:  # type: ignore[attr-defined]
        return None
    future: asyncio.Future[Any] = arguments[0]
    return None if future.done() else future
