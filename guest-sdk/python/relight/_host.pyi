"""What componentize-py generates from the contract (wit/handler.wit), as far as the SDK uses it."""

from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")
E = TypeVar("E")

class Ok(Generic[T]):
    value: T
    def __init__(self, value: T) -> None: ...

class Err(Exception, Generic[E]):
    value: E
    def __init__(self, value: E) -> None: ...

class types:
    class Failure:
        code: int
        message: str
        metadata: list[tuple[str, str]]
        def __init__(self, code: int, message: str, metadata: list[tuple[str, str]]) -> None: ...

    class WaitError_Failed:
        value: types.Failure

    class WaitError_Cancelled: ...

    class Target:
        service: str
        key: str | None
        handler: str
        def __init__(self, service: str, key: str | None, handler: str) -> None: ...

    class OnExhausted(Enum):
        FAIL = 0
        PAUSE = 1

    class RetryPolicy:
        def __init__(
            self,
            initial_interval: int,
            factor: float,
            max_interval: int,
            max_attempts: int | None,
            max_duration: int | None,
            on_exhausted: types.OnExhausted,
        ) -> None: ...

class context:
    class InvocationInfo:
        id: str
        target: types.Target
        idempotency_key: str | None
        caller: str | None
        headers: list[tuple[str, str]]
        created_at: int

    @staticmethod
    def info() -> InvocationInfo: ...
    @staticmethod
    def now() -> int: ...
    @staticmethod
    def random(len: int) -> bytes: ...
    @staticmethod
    def uuid() -> str: ...

class state:
    @staticmethod
    def get(key: str) -> bytes | None: ...
    @staticmethod
    def keys() -> list[str]: ...
    @staticmethod
    def set(key: str, value: bytes) -> None: ...
    @staticmethod
    def clear(key: str) -> None: ...
    @staticmethod
    def clear_all() -> None: ...

class ops:
    class Due_Now: ...

    class Due_At:
        def __init__(self, value: int) -> None: ...

    class Due_After:
        def __init__(self, value: int) -> None: ...

    Due = Due_Now | Due_At | Due_After

    class CallOptions:
        def __init__(
            self, name: str | None, idempotency_key: str | None, headers: list[tuple[str, str]]
        ) -> None: ...

    class EffectOptions:
        def __init__(self, retry: types.RetryPolicy | None, timeout: int | None) -> None: ...

    @staticmethod
    def call(target: types.Target, input: bytes, options: CallOptions | None) -> int: ...
    @staticmethod
    def callee(call: int) -> str: ...
    @staticmethod
    def send(target: types.Target, input: bytes, due: ops.Due, options: CallOptions | None) -> str: ...
    @staticmethod
    def timer(due: ops.Due, name: str | None) -> int: ...
    @staticmethod
    def awakeable() -> tuple[int, str]: ...
    @staticmethod
    def resolve_awakeable(id: str, value: Ok[bytes] | Err[types.Failure]) -> None: ...
    @staticmethod
    def signal(name: str) -> int: ...
    @staticmethod
    def send_signal(to: str, name: str, value: Ok[bytes] | Err[types.Failure]) -> None: ...
    @staticmethod
    def promise(name: str) -> int: ...
    @staticmethod
    def promise_peek(name: str) -> int: ...
    @staticmethod
    def promise_complete(name: str, value: Ok[bytes] | Err[types.Failure]) -> int: ...
    @staticmethod
    def attach(id: str) -> int: ...
    @staticmethod
    def output(id: str) -> int: ...
    @staticmethod
    def cancel(id: str) -> None: ...
    @staticmethod
    def effect(name: str, input: bytes, options: EffectOptions | None) -> int: ...

class waiting:
    @staticmethod
    def wait(handle: int) -> bytes | None: ...
    @staticmethod
    def wait_any(handles: list[int]) -> int: ...
    @staticmethod
    def wait_all(handles: list[int]) -> None: ...

class inline_run:
    class Started_Recorded:
        value: Ok[bytes] | Err[types.Failure]

    class Started_Live: ...

    @staticmethod
    def start(name: str, retry: types.RetryPolicy | None) -> Started_Recorded | Started_Live: ...
    @staticmethod
    def finish(value: Ok[bytes] | Err[types.Failure]) -> None: ...
    @staticmethod
    def retry(message: str, retry_after: int | None) -> None: ...

class http:
    class Request:
        def __init__(
            self, method: str, url: str, headers: list[tuple[str, str]], body: bytes, timeout: int | None
        ) -> None: ...

    class Response:
        status: int
        headers: list[tuple[str, str]]
        body: bytes

    class Error_Denied:
        value: str

    class Error_Timeout: ...

    class Error_Connect:
        value: str

    class Error_TooLarge: ...

    class Error_Other:
        value: str

    @staticmethod
    def fetch(request: Request) -> Response: ...

class log:
    class Level(Enum):
        TRACE = 0
        DEBUG = 1
        INFO = 2
        WARN = 3
        ERROR = 4

    @staticmethod
    def log(level: Level, message: str, fields: list[tuple[str, str]]) -> None: ...

class definition:
    class ServiceKind(Enum):
        SERVICE = 0
        VIRTUAL_OBJECT = 1
        WORKFLOW = 2

    class HandlerMode(Enum):
        EXCLUSIVE = 0
        SHARED = 1
        WORKFLOW = 2

    class PayloadDef:
        def __init__(self, required: bool, content_type: str | None, json_schema: str | None) -> None: ...

    class Options:
        def __init__(
            self,
            public: bool | None,
            inactivity_timeout: int | None,
            abort_timeout: int | None,
            idempotency_retention: int | None,
            journal_retention: int | None,
            retry: types.RetryPolicy | None,
        ) -> None: ...

    class HandlerDef:
        def __init__(
            self,
            name: str,
            mode: definition.HandlerMode,
            input: definition.PayloadDef,
            output: definition.PayloadDef,
            documentation: str | None,
            options: definition.Options,
            metadata: list[tuple[str, str]],
        ) -> None: ...

    class EffectDef:
        def __init__(
            self, name: str, documentation: str | None, retry: types.RetryPolicy | None, timeout: int | None
        ) -> None: ...

    class ServiceDef:
        def __init__(
            self,
            name: str,
            kind: definition.ServiceKind,
            handlers: list[definition.HandlerDef],
            documentation: str | None,
            options: definition.Options,
            metadata: list[tuple[str, str]],
        ) -> None: ...

    class Manifest:
        def __init__(
            self, sdk: str, services: list[definition.ServiceDef], effects: list[definition.EffectDef]
        ) -> None: ...

class requests:
    class Request:
        service: str
        key: str | None
        handler: str
        headers: list[tuple[str, str]]
        input: bytes

    class EffectRequest:
        name: str
        input: bytes
        attempt: int
        idempotency_key: str

    class AttemptError_Retryable:
        def __init__(self, value: tuple[str, int | None]) -> None: ...

    class AttemptError_Terminal:
        def __init__(self, value: types.Failure) -> None: ...
