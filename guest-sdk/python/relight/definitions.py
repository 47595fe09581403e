"""Services, virtual objects, workflows and their handlers, as a module defines them. Calling them is in `context`.

    cart = Object("Cart")

    @cart.handler
    async def add(ctx: ObjectContext, ticket: str) -> int: ...

    @cart.handler(shared=True)
    async def get(ctx: SharedObjectContext) -> list[str]: ...
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from relight._time import Duration
from relight.retry import RetryPolicy

if TYPE_CHECKING:
    from relight.context import Context, ObjectContext, SharedObjectContext, SharedWorkflowContext, WorkflowContext

I = TypeVar("I")  # noqa: E741 (the input)
O = TypeVar("O")  # noqa: E741 (the output)
C = TypeVar("C")
H = TypeVar("H", bound="Handler[Any, Any]")

Kind = Literal["service", "virtual-object", "workflow"]
Mode = Literal["exclusive", "shared", "workflow"]


@dataclasses.dataclass(frozen=True)
class Options:
    """What a service or a handler says about its invocations. What is absent is taken from the service, then from the host."""

    public: bool | None = None
    inactivity_timeout: Duration | None = None
    abort_timeout: Duration | None = None
    idempotency_retention: Duration | None = None
    journal_retention: Duration | None = None
    retry: RetryPolicy | None = None


_NO_OPTIONS = Options()
ABSENT: Any = object()
"""In place of the type of an input that a handler does not take."""


class Handler(Generic[I, O]):
    """A handler of a service: what others name to call it. `function` is the function that was decorated."""

    def __init__(self, service: str, name: str, mode: Mode, function: Any, options: Options) -> None:
        self.service = service
        self.name = name
        self.mode: Mode = mode
        self.function = function
        self.options = options
        self._types: tuple[Any, Any] | None = None

    @property
    def types(self) -> tuple[Any, Any]:
        """The types of the input (or `ABSENT`) and of the output. Looked up late: they may be defined below the handler."""
        if self._types is None:
            self._types = _types_of(self)
        return self._types

    @property
    def documentation(self) -> str | None:
        return inspect.getdoc(self.function) if self.function is not None else None

    def __repr__(self) -> str:
        return f"<handler {self.service}/{self.name}>"


class ServiceHandler(Handler[I, O]):
    """A handler of a service, which has no key."""


class KeyedHandler(Handler[I, O]):
    """A handler of a virtual object or workflow: it is called for a key."""


def _types_of(handler: Handler[Any, Any]) -> tuple[Any, Any]:
    _, *inputs = _parameters(handler.function, f"the handler `{handler.service}/{handler.name}`")
    hints = typing.get_type_hints(handler.function, include_extras=True)
    input_type = hints.get(inputs[0].name, Any) if inputs else ABSENT
    return input_type, hints.get("return", Any)


def _parameters(function: Any, what: str) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(function).parameters.values())
    plain = all(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) for parameter in parameters
    )
    if not plain or not 1 <= len(parameters) <= 2:
        raise TypeError(f"{what} takes a context and at most one input")
    return parameters


class Decorator(Generic[C]):
    """Makes handlers of functions that take the context `C`: `@service.handler`, or `@service.handler(name=…)`."""

    def __init__(self, owner: Definition, mode: Mode, options: Options = _NO_OPTIONS, name: str | None = None) -> None:
        self._owner = owner
        self._mode: Mode = mode
        self._options = options
        self._name = name

    def _make(self, function: Any) -> Any:
        name = self._name or function.__name__
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError(f"`{self._owner.name}/{name}` is a generator: a handler returns one value")
        _parameters(function, f"the handler `{self._owner.name}/{name}`")
        class_ = ServiceHandler if self._owner.kind == "service" else KeyedHandler
        handler: Handler[Any, Any] = class_(self._owner.name, name, self._mode, function, self._options)
        return self._owner._add(handler)

    def _with(self, name: str | None = None, **options: Any) -> Any:
        return type(self)(self._owner, self._mode, dataclasses.replace(self._options, **options), name or self._name)


class ServiceDecorator(Decorator[C]):
    """`@service.handler`."""

    @overload
    def __call__(self, function: Callable[[C, I], Awaitable[O]], /) -> ServiceHandler[I, O]: ...
    @overload
    def __call__(self, function: Callable[[C], Awaitable[O]], /) -> ServiceHandler[None, O]: ...
    @overload
    def __call__(self, function: Callable[[C, I], O], /) -> ServiceHandler[I, O]: ...
    @overload
    def __call__(self, function: Callable[[C], O], /) -> ServiceHandler[None, O]: ...
    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        public: bool | None = None,
        inactivity_timeout: Duration | None = None,
        abort_timeout: Duration | None = None,
        idempotency_retention: Duration | None = None,
        journal_retention: Duration | None = None,
        retry: RetryPolicy | None = None,
    ) -> ServiceDecorator[C]: ...
    def __call__(self, *function: Any, **options: Any) -> Any:
        return self._make(*function) if function else self._with(**options)


class KeyedDecorator(Decorator[C]):
    """`@workflow.main`, `@workflow.handler`, and the decorator that `@object.handler(…)` gives."""

    @overload
    def __call__(self, function: Callable[[C, I], Awaitable[O]], /) -> KeyedHandler[I, O]: ...
    @overload
    def __call__(self, function: Callable[[C], Awaitable[O]], /) -> KeyedHandler[None, O]: ...
    @overload
    def __call__(self, function: Callable[[C, I], O], /) -> KeyedHandler[I, O]: ...
    @overload
    def __call__(self, function: Callable[[C], O], /) -> KeyedHandler[None, O]: ...
    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        public: bool | None = None,
        inactivity_timeout: Duration | None = None,
        abort_timeout: Duration | None = None,
        idempotency_retention: Duration | None = None,
        journal_retention: Duration | None = None,
        retry: RetryPolicy | None = None,
    ) -> KeyedDecorator[C]: ...
    def __call__(self, *function: Any, **options: Any) -> Any:
        return self._make(*function) if function else self._with(**options)


class ObjectDecorator(Decorator["ObjectContext"]):
    """`@object.handler`: exclusive, or with `shared=True` one that only reads, beside others."""

    @overload
    def __call__(self, function: Callable[[ObjectContext, I], Awaitable[O]], /) -> KeyedHandler[I, O]: ...
    @overload
    def __call__(self, function: Callable[[ObjectContext], Awaitable[O]], /) -> KeyedHandler[None, O]: ...
    @overload
    def __call__(self, function: Callable[[ObjectContext, I], O], /) -> KeyedHandler[I, O]: ...
    @overload
    def __call__(self, function: Callable[[ObjectContext], O], /) -> KeyedHandler[None, O]: ...
    @overload
    def __call__(
        self,
        *,
        shared: Literal[True],
        name: str | None = None,
        public: bool | None = None,
        inactivity_timeout: Duration | None = None,
        abort_timeout: Duration | None = None,
        idempotency_retention: Duration | None = None,
        journal_retention: Duration | None = None,
        retry: RetryPolicy | None = None,
    ) -> KeyedDecorator[SharedObjectContext]: ...
    @overload
    def __call__(
        self,
        *,
        shared: Literal[False] = False,
        name: str | None = None,
        public: bool | None = None,
        inactivity_timeout: Duration | None = None,
        abort_timeout: Duration | None = None,
        idempotency_retention: Duration | None = None,
        journal_retention: Duration | None = None,
        retry: RetryPolicy | None = None,
    ) -> KeyedDecorator[ObjectContext]: ...
    def __call__(self, *function: Any, **options: Any) -> Any:
        if function:
            return self._make(*function)
        mode: Mode = "shared" if options.pop("shared", False) else "exclusive"
        return KeyedDecorator[Any](self._owner, mode)._with(**options)


class Definition:
    """What services, virtual objects and workflows have in common."""

    kind: Kind

    def __init__(
        self,
        name: str,
        *,
        documentation: str | None = None,
        public: bool | None = None,
        inactivity_timeout: Duration | None = None,
        abort_timeout: Duration | None = None,
        idempotency_retention: Duration | None = None,
        journal_retention: Duration | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.name = name
        self.documentation = documentation
        self.options = Options(
            public, inactivity_timeout, abort_timeout, idempotency_retention, journal_retention, retry
        )
        self.handlers: dict[str, Handler[Any, Any]] = {}

    def _add(self, handler: H) -> H:
        if handler.name in self.handlers:
            raise ValueError(f"the handler `{self.name}/{handler.name}` is defined twice")
        self.handlers[handler.name] = handler
        return handler

    def _elsewhere(self, class_: type[H], name: str, input: Any, output: Any) -> H:
        handler = class_(self.name, name, "exclusive", None, _NO_OPTIONS)
        handler._types = (ABSENT if input is None else input, output)
        return handler


class Service(Definition):
    """A service: no key, no state, any number of invocations at a time."""

    kind = "service"

    @property
    def handler(self) -> ServiceDecorator[Context]:
        """Marks a function as a handler."""
        return ServiceDecorator(self, "exclusive")

    @overload
    def elsewhere(self, name: str, *, output: type[O]) -> ServiceHandler[None, O]: ...
    @overload
    def elsewhere(self, name: str, *, input: type[I], output: type[O]) -> ServiceHandler[I, O]: ...
    @overload
    def elsewhere(self, name: str, *, input: type[I]) -> ServiceHandler[I, None]: ...
    def elsewhere(self, name: str, *, input: Any = None, output: Any = type(None)) -> Any:
        """A handler of another component, perhaps in another language, to be called."""
        return self._elsewhere(ServiceHandler, name, input, output)


class _Keyed(Definition):
    @overload
    def elsewhere(self, name: str, *, output: type[O]) -> KeyedHandler[None, O]: ...
    @overload
    def elsewhere(self, name: str, *, input: type[I], output: type[O]) -> KeyedHandler[I, O]: ...
    @overload
    def elsewhere(self, name: str, *, input: type[I]) -> KeyedHandler[I, None]: ...
    def elsewhere(self, name: str, *, input: Any = None, output: Any = type(None)) -> Any:
        """A handler of another component, perhaps in another language, to be called."""
        return self._elsewhere(KeyedHandler, name, input, output)


class Object(_Keyed):
    """A virtual object: state per key; one exclusive handler at a time per key, shared handlers beside it."""

    kind = "virtual-object"

    @property
    def handler(self) -> ObjectDecorator:
        """Marks a function as a handler."""
        return ObjectDecorator(self, "exclusive")


class Workflow(_Keyed):
    """A workflow: runs once per key; shared handlers beside it."""

    kind = "workflow"

    @property
    def main(self) -> KeyedDecorator[WorkflowContext]:
        """Marks the function that runs once per key; a second call of it is a failure 409."""
        return KeyedDecorator(self, "workflow")

    @property
    def handler(self) -> KeyedDecorator[SharedWorkflowContext]:
        """Marks a function as a handler beside the run, any number at a time."""
        return KeyedDecorator(self, "shared")
