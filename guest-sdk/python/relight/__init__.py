"""Durable handlers: ordinary Python functions whose every step is recorded, so that they go on where they were after any crash.

See the README for what a handler may do.
"""

from relight import http
from relight._loop import Operation
from relight._time import Duration, Instant
from relight.component import export
from relight.context import (
    Awakeable,
    AwakeableId,
    Call,
    Context,
    InvocationId,
    InvocationTarget,
    ObjectContext,
    SharedObjectContext,
    SharedWorkflowContext,
    WorkflowContext,
)
from relight.definitions import Handler, KeyedHandler, Object, Options, Service, ServiceHandler, Workflow
from relight.effects import Effect, EffectRequest, effect, effect_attempt, effect_idempotency_key
from relight.errors import Cancelled, RetryableError, TerminalFailure
from relight.retry import RetryPolicy

__all__ = [
    "Awakeable",
    "AwakeableId",
    "Call",
    "Cancelled",
    "Context",
    "Duration",
    "Effect",
    "EffectRequest",
    "Handler",
    "Instant",
    "InvocationId",
    "InvocationTarget",
    "KeyedHandler",
    "Object",
    "ObjectContext",
    "Operation",
    "Options",
    "RetryPolicy",
    "RetryableError",
    "Service",
    "ServiceHandler",
    "SharedObjectContext",
    "SharedWorkflowContext",
    "TerminalFailure",
    "Workflow",
    "WorkflowContext",
    "effect",
    "effect_attempt",
    "effect_idempotency_key",
    "export",
    "http",
]
