"""Effects: side effects that run in their own instance with live I/O, and whose result is recorded.

    @effect(retry=RetryPolicy(max_attempts=5), timeout=30)
    def charge(request: Charge) -> Receipt: ...

    receipt = await ctx.effect(charge(request))
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec, TypeVar, overload

from relight import _json
from relight._time import Duration, to_millis_or_none
from relight.errors import TerminalFailure
from relight.retry import RetryPolicy

P = ParamSpec("P")
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class EffectRequest(Generic[T]):
    """An effect with its arguments. It runs when it is passed to `ctx.effect`."""

    name: str
    input: bytes
    output: Any


class Effect(Generic[P, T]):
    """An effect of this component. Calling it gives what `ctx.effect` takes; `function` is the function that was decorated."""

    def __init__(
        self,
        function: Any,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: Duration | None = None,
    ) -> None:
        self.function = function
        self.name = name or function.__name__
        self.retry = retry
        self.timeout = timeout
        to_millis_or_none(timeout)
        self._signature = inspect.signature(function)
        self._types: tuple[list[Any], Any] | None = None
        kinds = {parameter.kind for parameter in self._signature.parameters.values()}
        if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
            raise TypeError(f"the effect `{self.name}` takes arguments one by one, not `*args` or `**kwargs`")
        other = EFFECTS.setdefault(self.name, self)
        if other is not self:
            raise ValueError(f"the effect `{self.name}` is defined twice; `name=` gives one of them another name")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> EffectRequest[T]:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = list(bound.arguments.values())
        # One argument travels as itself, several as a list, none as nothing: as in the other SDKs.
        match values:
            case []:
                input = b""
            case [value]:
                input = _json.encode(value)
            case _:
                input = _json.encode(values)
        return EffectRequest(self.name, input, self.types[1])

    @property
    def types(self) -> tuple[list[Any], Any]:
        """The types of the arguments, and of the result."""
        if self._types is None:
            hints = typing.get_type_hints(self.function, include_extras=True)
            self._types = [hints.get(name, Any) for name in self._signature.parameters], hints.get("return", Any)
        return self._types

    def arguments(self, data: bytes) -> tuple[list[Any], dict[str, Any]]:
        """Reads the arguments. They were written by a handler of the same component, perhaps of an earlier deployment."""
        types, _ = self.types
        try:
            if not types:
                return [], {}
            if len(types) == 1:
                values = [_json.decode(data, types[0])]
            else:
                values = list(_json.decode(data, tuple[tuple(types)]))  # type: ignore[misc]
        except ValueError as error:
            raise TerminalFailure(f"cannot read the effect's arguments: {error}") from None
        positional, named = [], {}
        for parameter, value in zip(self._signature.parameters.values(), values):
            if parameter.kind is parameter.KEYWORD_ONLY:
                named[parameter.name] = value
            else:
                positional.append(value)
        return positional, named


@dataclasses.dataclass(frozen=True)
class _Attempt:
    number: int
    idempotency_key: str


EFFECTS: dict[str, Effect[Any, Any]] = {}
"""All effects of the component, by name."""

attempt: _Attempt | None = None
"""The attempt that runs; set by `component`."""


def begin(number: int, idempotency_key: str) -> None:
    global attempt
    attempt = _Attempt(number, idempotency_key)


def _current() -> _Attempt:
    if attempt is None:
        raise RuntimeError("only an effect has an attempt and an idempotency key")
    return attempt


def effect_idempotency_key() -> str:
    """In an effect: a key that is the same for all its attempts and different for every other effect. Pass it to the service you call,
    so that it can tell a repetition from a new request."""
    return _current().idempotency_key


def effect_attempt() -> int:
    """In an effect: 1 for the first attempt, and so on."""
    return _current().number


class _Decorator:
    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options

    @overload
    def __call__(self, function: Callable[P, Awaitable[T]], /) -> Effect[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> Effect[P, T]: ...
    def __call__(self, function: Any, /) -> Any:
        return Effect(function, **self._options)


@overload
def effect(function: Callable[P, Awaitable[T]], /) -> Effect[P, T]: ...
@overload
def effect(function: Callable[P, T], /) -> Effect[P, T]: ...
@overload
def effect(
    *, name: str | None = None, retry: RetryPolicy | None = None, timeout: Duration | None = None
) -> _Decorator: ...
def effect(function: Any = None, /, **options: Any) -> Any:
    """Marks a function as an effect. `timeout` bounds each attempt."""
    return _Decorator(options) if function is None else Effect(function)
