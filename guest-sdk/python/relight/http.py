"""Outgoing HTTP, for effects and inline runs. Which hosts are allowed is decided when the component is deployed.

A request blocks: nothing else happens in an effect's instance meanwhile. Effects that are to run beside each other are several effects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

from relight import _host, _json
from relight._time import Duration, to_millis_or_none

T = TypeVar("T")

# As much of a body as helps a reader of the journal.
_STATUS_BODY_CHARS_MAX = 200


class HttpError(Exception):
    """There is no answer, or not the one that was wanted. Leaving an effect or a run, it asks for another attempt."""


class Denied(HttpError):
    """The deployment does not allow this."""


class Timeout(HttpError):
    """No whole answer in time."""


class ConnectError(HttpError):
    """No connection."""


class TooLarge(HttpError):
    """Over the host's limit."""


class StatusError(HttpError):
    """The answer says that it failed; by `Response.raise_for_status`."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"the answer has status {response.status}: {response.text()[:_STATUS_BODY_CHARS_MAX]}")
        self.response = response


class Headers(Mapping[str, str]):
    """Headers in the order in which they came. Upper and lower case of a name are the same; the first value of a name counts."""

    def __init__(self, items: Iterable[tuple[str, str]]) -> None:
        self._items = list(items)

    def __getitem__(self, name: str) -> str:
        for other, value in self._items:
            if other.lower() == name.lower():
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._items))

    def __len__(self) -> int:
        return len({name for name, _ in self._items})

    def all(self) -> list[tuple[str, str]]:
        """All headers, repeated names included."""
        return list(self._items)

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


class Response:
    """The whole answer, whatever its status."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode(errors="replace")

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, type: type[T]) -> T: ...
    def json(self, type: Any = Any) -> Any:
        """The body as JSON, or as a value of a type."""
        try:
            return _json.decode(self.body, type)
        except ValueError as error:
            raise HttpError(f"cannot read the answer: {error}") from None

    def raise_for_status(self) -> Response:
        """This answer if its status is below 400."""
        if self.status >= 400:
            raise StatusError(self)
        return self

    def __repr__(self) -> str:
        return f"<response {self.status}, {len(self.body)} bytes>"


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes | str = b"",
    json: object = None,
    timeout: Duration | None = None,
) -> Response:
    """Send a request and wait for the whole answer; a status of 400 and above is one. Redirects are not followed.

    `json` is sent as JSON, with the header that says so. `timeout` bounds the time from connecting to the last byte.
    """
    items = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if json is not None:
        if body:
            raise ValueError("a request has a `body` or `json`, not both")
        body = _json.encode(json)
        items.append(("content-type", "application/json"))
    data = body.encode() if isinstance(body, str) else bytes(body)
    try:
        answer = _host.http.fetch(_host.http.Request(method, url, items, data, to_millis_or_none(timeout)))
    except _host.Err as error:
        reason = error.value
    else:
        return Response(answer.status, Headers(answer.headers), answer.body)
    raise _error(reason)


def get(url: str, **options: Any) -> Response:
    """A GET request; for the options see `fetch`."""
    return fetch(url, method="GET", **options)


def post(url: str, **options: Any) -> Response:
    """A POST request; for the options see `fetch`."""
    return fetch(url, method="POST", **options)


def _error(reason: object) -> HttpError:
    errors = _host.http
    if isinstance(reason, errors.Error_Denied):
        return Denied(f"the request is not allowed: {reason.value}")
    if isinstance(reason, errors.Error_Timeout):
        return Timeout("the request timed out")
    if isinstance(reason, errors.Error_Connect):
        return ConnectError(f"failed to connect: {reason.value}")
    if isinstance(reason, errors.Error_TooLarge):
        return TooLarge("the request or its answer is too large")
    return HttpError(f"the request failed: {getattr(reason, 'value', reason)}")
