"""What the component exports: finding handlers and effects by name, running them, and mapping what they raise.

`relight build` imports this module first, so that everything that a program imports later sees the invocation's clock, chance and log.
"""

from __future__ import annotations

import gc
import inspect
import json
from collections.abc import Callable
from typing import Any

from relight import _absent, _chance, _clocks, _host, _json, _report, _state, _stdio, effects
from relight import retry as _retry
from relight._loop import Loop
from relight._shapes import schema_of, shape_of
from relight._time import to_millis_or_none
from relight.context import Context, ObjectContext, SharedObjectContext, SharedWorkflowContext, WorkflowContext
from relight.definitions import ABSENT, Definition, Handler, Options
from relight.errors import RetryableError, TerminalFailure, to_host

VERSION = "0.1.0"
_CONTENT_TYPE = "application/json"

_services: dict[str, Definition] = {}
_replaced: dict[object, object] = {}


def export(*services: Definition) -> None:
    """Says which services, virtual objects and workflows the component has. Effects are found by themselves.

    Call it once, at the end of the module that is built.
    """
    for service in services:
        if service.name in _services:
            raise ValueError(f"the service `{service.name}` is exported twice")
        if not service.handlers:
            raise ValueError(f"the service `{service.name}` has no handlers")
        _services[service.name] = service
        for handler in service.handlers.values():
            _prepare(f"the handler `{service.name}/{handler.name}`", handler.types)
    for effect in effects.EFFECTS.values():
        arguments, output = effect.types
        _prepare(f"the effect `{effect.name}`", (*arguments, output))


def _prepare(what: str, types: tuple[Any, ...]) -> None:
    try:
        for type_ in types:
            if type_ is not ABSENT:
                shape_of(type_)
    except TypeError as error:
        raise TypeError(f"{what}: {error}") from None


def install() -> None:
    """Puts the invocation's clock, chance and log in the place of the system's. Before the program is imported."""
    _stdio.install()
    for module in (_clocks, _chance, _absent):
        _replaced.update(module.install())
    _absent.carry_over(_replaced)


def built() -> None:
    """All modules are loaded: what they hold now is what every instance begins with."""
    _absent.carry_over(_replaced)
    _report.keep_sources()
    _absent.forget_files()
    gc.collect()
    # Collections of instances leave these objects alone, and so the memory that all instances share.
    gc.freeze()


class Component:
    """The export `handler` of the contract."""

    def describe(self) -> _host.definition.Manifest:
        _enter(_state.Phase.DESCRIBE)
        if not _services:
            raise RuntimeError("nothing is exported: call `relight.export(…)` at the end of the module")
        return _host.definition.Manifest(
            f"relight-python/{VERSION}",
            [_service_definition(service) for service in _services.values()],
            [
                _host.definition.EffectDef(
                    effect.name,
                    inspect.getdoc(effect.function),
                    _retry.to_host(effect.retry),
                    to_millis_or_none(effect.timeout),
                )
                for effect in effects.EFFECTS.values()
            ],
        )

    def invoke(self, request: _host.requests.Request) -> bytes:
        _enter(_state.Phase.HANDLER)
        return _attempt(lambda: _invoke(request))

    def effect(self, request: _host.requests.EffectRequest) -> bytes:
        _enter(_state.Phase.LIVE)
        return _attempt(lambda: _run_effect(request))


def _enter(phase: _state.Phase) -> None:
    _state.phase = phase
    _absent.close()
    if phase is not _state.Phase.DESCRIBE:
        _chance.seed()


def _attempt(run: Callable[[], bytes]) -> bytes:
    """Runs a handler or an effect. What it raises becomes the error of its attempt, since a trap would lose the message."""
    errors = _host.requests
    reason: Any
    try:
        return run()
    except TerminalFailure as failure:
        reason = errors.AttemptError_Terminal(to_host(failure))
    except RetryableError as error:
        reason = errors.AttemptError_Retryable((error.message, to_millis_or_none(error.after)))
    except BaseExceptionGroup as group:
        failures = _failures(group)
        if failures:
            reason = errors.AttemptError_Terminal(to_host(failures[0]))
        else:
            reason = errors.AttemptError_Retryable((_report.report(group), None))
    except BaseException as error:
        reason = errors.AttemptError_Retryable((_report.report(error), None))
    finally:
        _stdio.flush()
    raise _host.Err(reason)


def _failures(group: BaseExceptionGroup[Any]) -> list[TerminalFailure]:
    """What a task group has gathered, when all of it is terminal."""
    found: list[TerminalFailure] = []
    for part in group.exceptions:
        if isinstance(part, BaseExceptionGroup):
            inner = _failures(part)
            if not inner:
                return []
            found.extend(inner)
        elif isinstance(part, TerminalFailure):
            found.append(part)
        else:
            return []
    return found


def _invoke(request: _host.requests.Request) -> bytes:
    service = _services.get(request.service)
    handler = service.handlers.get(request.handler) if service is not None else None
    if service is None or handler is None:
        raise TerminalFailure(f"this component has no handler `{request.service}/{request.handler}`", code=404)
    input_type, _ = handler.types
    arguments = [] if input_type is ABSENT else [_json.decode_input(request.input, input_type)]
    loop = Loop(waits=True)
    context = _context(service, handler, loop, request)
    return _json.encode(_complete(loop, handler.function, [context, *arguments], {}))


def _context(
    service: Definition, handler: Handler[Any, Any], loop: Loop, request: _host.requests.Request
) -> Context:
    if service.kind == "service":
        return Context(loop, request.headers)
    if service.kind == "workflow":
        class_: type[SharedObjectContext] = WorkflowContext if handler.mode == "workflow" else SharedWorkflowContext
    else:
        class_ = SharedObjectContext if handler.mode == "shared" else ObjectContext
    return class_(loop, request.headers, request.key or "")


def _run_effect(request: _host.requests.EffectRequest) -> bytes:
    effect = effects.EFFECTS.get(request.name)
    if effect is None:
        raise TerminalFailure(f"this component has no effect `{request.name}`", code=404)
    effects.begin(request.attempt, request.idempotency_key)
    positional, named = effect.arguments(request.input)
    return _json.encode(_complete(Loop(waits=False), effect.function, positional, named))


def _complete(loop: Loop, function: Any, positional: list[Any], named: dict[str, Any]) -> Any:
    """Calls a function, and runs what it gives when that is to be awaited."""
    if not inspect.iscoroutinefunction(function):
        value = function(*positional, **named)
        if not inspect.isawaitable(value):
            return value
        return loop.run(_awaiting(value))
    return loop.run(function(*positional, **named))


async def _awaiting(value: Any) -> Any:
    return await value


def _service_definition(service: Definition) -> _host.definition.ServiceDef:
    definition = _host.definition
    kind = definition.ServiceKind[service.kind.upper().replace("-", "_")]
    handlers = [_handler_definition(handler) for handler in service.handlers.values()]
    return definition.ServiceDef(service.name, kind, handlers, service.documentation, _options(service.options), [])


def _handler_definition(handler: Handler[Any, Any]) -> _host.definition.HandlerDef:
    definition = _host.definition
    input_type, output_type = handler.types
    return definition.HandlerDef(
        handler.name,
        definition.HandlerMode[handler.mode.upper()],
        definition.PayloadDef(False, None, None) if input_type is ABSENT else _payload(input_type, is_input=True),
        _payload(output_type, is_input=False),
        handler.documentation,
        _options(handler.options),
        [],
    )


def _payload(type_: Any, *, is_input: bool) -> _host.definition.PayloadDef:
    # What reads `null` may be left out.
    required = not (is_input and shape_of(type_).takes_null)
    schema = json.dumps(schema_of(type_), ensure_ascii=False)
    return _host.definition.PayloadDef(required, _CONTENT_TYPE, schema)


def _options(options: Options) -> _host.definition.Options:
    return _host.definition.Options(
        options.public,
        to_millis_or_none(options.inactivity_timeout),
        to_millis_or_none(options.abort_timeout),
        to_millis_or_none(options.idempotency_retention),
        to_millis_or_none(options.journal_retention),
        _retry.to_host(options.retry),
    )
