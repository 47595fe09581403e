"""Types and their JSON: for each kind of type how a value is read, and its JSON Schema (2020-12). Writing needs no type: see `_json`.

A shape is made once per type, at the latest when the component is built; a handler finds it ready.
"""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
Definitions = dict[str, Schema]


class Mismatch(Exception):
    """A value is not what its type says. The path leads from the whole to the part that is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path: list[str] = []

    def __str__(self) -> str:
        return f"{self.message} at `{''.join(self.path).lstrip('.')}`" if self.path else self.message


@dataclasses.dataclass(frozen=True)
class Shape:
    """What is known about a type."""

    read: Callable[[Any], Any]
    """From what `json` gives to a value of the type. Raises `Mismatch`."""
    schema: Callable[[Definitions], Schema]
    """The schema; what is named goes into the definitions."""
    takes_null: bool = False
    """Whether nothing at all is a value of the type."""


def shape_of(type_: Any) -> Shape:
    """The shape of a type. Raises `TypeError` for a type that has none."""
    try:
        known = _SHAPES.get(type_)
    except TypeError:  # It cannot be hashed, such as `Annotated[int, []]`.
        return _make(type_)
    if known is None:
        known = _SHAPES[type_] = _make(type_)
    return known


def schema_of(type_: Any) -> Schema:
    """The whole JSON Schema of a type."""
    definitions: Definitions = {}
    schema = shape_of(type_).schema(definitions)
    return {**schema, "$defs": definitions} if definitions else schema


def _make(type_: Any) -> Shape:
    if isinstance(type_, str):
        raise TypeError(f"the type `{type_}` is given as a text; it must be known when the module is loaded")
    origin = typing.get_origin(type_)
    if origin is not None:
        return _generic(type_, origin, typing.get_args(type_))
    if hasattr(type_, "__supertype__"):
        return shape_of(type_.__supertype__)
    if type(type_).__name__ == "TypeAliasType":
        return shape_of(type_.__value__)
    if isinstance(type_, type):
        return _class(type_)
    raise _unknown(type_)


def _generic(type_: Any, origin: Any, arguments: tuple[Any, ...]) -> Shape:
    if origin is typing.Annotated:
        return _annotated(arguments[0], arguments[1:])
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is typing.Literal:
        return _choice(arguments, f"one of {', '.join(map(repr, arguments))}", {})
    if getattr(origin, "__name__", None) in ("Required", "NotRequired", "ReadOnly"):
        return shape_of(arguments[0])
    if origin is tuple:
        return _tuple(arguments)
    if origin in (dict, collections.abc.Mapping, collections.abc.MutableMapping):
        return _mapping(arguments[0], arguments[1])
    if origin in _LISTS:
        return _list(arguments[0], _LISTS[origin])
    if dataclasses.is_dataclass(origin) and isinstance(origin, type):
        return _record(type_, origin, arguments)
    raise _unknown(type_)


def _class(type_: type[Any]) -> Shape:
    if hasattr(type_, "model_validate") and hasattr(type_, "model_json_schema"):
        return _model(type_)
    if issubclass(type_, enum.Enum):
        values = {member.value: member for member in type_}
        return _choice(tuple(values), f"a value of {type_.__name__}", values)
    if typing.is_typeddict(type_):
        return _typed_dict(type_)
    if dataclasses.is_dataclass(type_):
        return _record(type_, type_, ())
    if issubclass(type_, tuple) and hasattr(type_, "_fields"):
        return _named_tuple(type_)
    for base, make in _TEXTS.items():
        # By name: `datetime` may stand for a subclass that reads the invocation's clock.
        if type_ is base or (type_.__module__ == "datetime" and type_.__name__ == base.__name__):
            return make
    if type_ in _LISTS:
        return _list(Any, _LISTS[type_])
    if type_ is dict:
        return _mapping(str, Any)
    if type_ is tuple:
        return _list(Any, tuple)
    raise _unknown(type_)


def _unknown(type_: Any) -> TypeError:
    name = getattr(type_, "__qualname__", None) or str(type_)
    return TypeError(
        f"the type `{name}` has no JSON form: use a dataclass, a TypedDict, an enum, a class with `model_validate` and "
        "`model_json_schema`, or built-in types"
    )


def _fail(expected: str, value: Any) -> Mismatch:
    return Mismatch(f"{_kind(value)} is not {expected}")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, (bool, int, float)):
        return f"`{value}`".lower() if isinstance(value, bool) else f"`{value}`"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "an object"


def _leaf(class_: type[Any] | tuple[type[Any], ...], expected: str, schema: Schema, null: bool = False) -> Shape:
    def read(value: Any) -> Any:
        # A boolean is an integer for Python, but not for JSON.
        if not isinstance(value, class_) or (isinstance(value, bool) and class_ is not bool):
            raise _fail(expected, value)
        return value

    return Shape(read, lambda _: dict(schema), null)


def _text(parse: Callable[[str], Any], expected: str, schema: Schema) -> Shape:
    def read(value: Any) -> Any:
        try:
            if isinstance(value, str):
                return parse(value)
        except (ValueError, ArithmeticError):
            pass
        raise _fail(expected, value)

    return Shape(read, lambda _: {"type": "string", **schema})


def _read_float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _fail("a number", value)
    return float(value)


def _choice(values: tuple[Any, ...], expected: str, members: dict[Any, Any]) -> Shape:
    def read(value: Any) -> Any:
        for known in values:
            # 1, 1.0 and true are equal, and different values in JSON.
            if type(known) is type(value) and known == value:
                return members.get(known, known)
        raise _fail(expected, value)

    return Shape(read, lambda _: {"enum": list(values)}, None in values)


def _annotated(type_: Any, extras: tuple[Any, ...]) -> Shape:
    shape = shape_of(type_)
    texts = [extra for extra in extras if isinstance(extra, str)]
    if not texts:
        return shape
    return dataclasses.replace(shape, schema=lambda defs: {**shape.schema(defs), "description": texts[0]})


def _union(members: tuple[Any, ...]) -> Shape:
    shapes = [shape_of(member) for member in members]

    def read(value: Any) -> Any:
        mismatches: list[Mismatch] = []
        for shape in shapes:
            try:
                return shape.read(value)
            except Mismatch as mismatch:
                mismatches.append(mismatch)
        # The one that came farthest says most about what was meant.
        raise max(mismatches, key=lambda mismatch: len(mismatch.path))

    ordered = sorted(shapes, key=lambda shape: shape is _NULL)
    return Shape(
        read,
        lambda defs: {"anyOf": [shape.schema(defs) for shape in ordered]},
        any(shape.takes_null for shape in shapes),
    )


def _at(part: str, shape: Shape, value: Any) -> Any:
    try:
        return shape.read(value)
    except Mismatch as mismatch:
        mismatch.path.insert(0, part)
        raise


def _list(item: Any, make: Callable[[list[Any]], Any]) -> Shape:
    shape = shape_of(item)

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _fail("a list", value)
        return make([_at(f"[{place}]", shape, part) for place, part in enumerate(value)])

    unique = {"uniqueItems": True} if make in (set, frozenset) else {}
    return Shape(read, lambda defs: {"type": "array", "items": shape.schema(defs), **unique})


def _tuple(arguments: tuple[Any, ...]) -> Shape:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _list(arguments[0], tuple)
    return _sequence(arguments, tuple)


def _sequence(arguments: tuple[Any, ...], make: Callable[[list[Any]], Any]) -> Shape:
    shapes = [shape_of(argument) for argument in arguments]
    count = len(shapes)

    def read(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != count:
            raise _fail(f"a list of {count}", value)
        return make([_at(f"[{place}]", shape, part) for place, (shape, part) in enumerate(zip(shapes, value))])

    return Shape(
        read,
        lambda defs: {
            "type": "array",
            "prefixItems": [shape.schema(defs) for shape in shapes],
            "minItems": count,
            "maxItems": count,
        },
    )


def _named_tuple(type_: type[Any]) -> Shape:
    hints = typing.get_type_hints(type_, include_extras=True)
    fields: tuple[str, ...] = type_._fields
    return _sequence(tuple(hints.get(field, Any) for field in fields), lambda parts: type_(*parts))


def _mapping(key: Any, item: Any) -> Shape:
    keys, shape = shape_of(key), shape_of(item)

    def read_key(name: str) -> Any:
        # Names in JSON are texts, whatever they stand for.
        return keys.read(int(name) if key is int else name)

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _fail("an object", value)
        found = {}
        for name, part in value.items():
            try:
                read_name = read_key(name)
            except (Mismatch, ValueError):
                raise Mismatch(f"`{name}` is no possible name") from None
            found[read_name] = _at(f".{name}", shape, part)
        return found

    return Shape(read, lambda defs: {"type": "object", "additionalProperties": shape.schema(defs)})


@dataclasses.dataclass(frozen=True)
class _Field:
    shape: Shape
    required: bool
    description: str | None = None


def _object(
    name: str,
    description: str | None,
    fields_of: Callable[[], dict[str, _Field]],
    make: Callable[[dict[str, Any]], Any],
) -> tuple[Shape, Callable[[], None]]:
    """The shape of an object with named fields, and what completes it: fields may be of the type itself."""
    fields: dict[str, _Field] = {}

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _fail(f"an object ({name})", value)
        found = {}
        for field_name, field in fields.items():
            if field_name in value:
                found[field_name] = _at(f".{field_name}", field.shape, value[field_name])
            elif field.required:
                raise Mismatch(f"`{field_name}` is missing in {name}")
        return make(found)

    def schema(definitions: Definitions) -> Schema:
        if name not in definitions:
            definitions[name] = {}
            properties = {}
            for field_name, field in fields.items():
                properties[field_name] = field.shape.schema(definitions)
                if field.description:
                    properties[field_name] = {**properties[field_name], "description": field.description}
            whole: Schema = {"title": name, "type": "object", "properties": properties}
            if description:
                whole["description"] = description
            if required := [field_name for field_name, field in fields.items() if field.required]:
                whole["required"] = required
            definitions[name].update(whole)
        return {"$ref": f"#/$defs/{name}"}

    return Shape(read, schema), lambda: fields.update(fields_of())


def _record(type_: Any, class_: type[Any], arguments: tuple[Any, ...]) -> Shape:
    parameters = dict(zip(getattr(class_, "__parameters__", ()), arguments))

    def fields_of() -> dict[str, _Field]:
        hints = typing.get_type_hints(class_, include_extras=True)
        found = {}
        for field in dataclasses.fields(class_):
            if field.init:
                has_default = (
                    field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
                )
                shape = shape_of(_substitute(hints[field.name], parameters))
                # What may be nothing may be left out, as in the SDK for Rust.
                required = not has_default and not shape.takes_null
                found[field.name] = _Field(shape, required, field.metadata.get("description"))
        return found

    absent = {
        field.name: None
        for field in dataclasses.fields(class_)
        if field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def make(found: dict[str, Any]) -> Any:
        try:
            return class_(**{**absent, **found})
        except ValueError as error:  # What `__post_init__` refuses.
            raise Mismatch(str(error)) from None

    name = class_.__name__ + "".join(f"_{getattr(argument, '__name__', 'x')}" for argument in arguments)
    return _named(type_, name, _documentation(class_), fields_of, make)


def _substitute(hint: Any, parameters: dict[Any, Any]) -> Any:
    if hint in parameters:
        return parameters[hint]
    inner = getattr(hint, "__parameters__", ())
    return hint[tuple(parameters[parameter] for parameter in inner)] if inner and parameters else hint


def _typed_dict(type_: type[Any]) -> Shape:
    required: frozenset[str] = type_.__required_keys__

    def fields_of() -> dict[str, _Field]:
        hints = typing.get_type_hints(type_, include_extras=True)
        return {name: _Field(shape_of(hint), name in required) for name, hint in hints.items()}

    return _named(type_, type_.__name__, _documentation(type_), fields_of, dict)


def _named(
    type_: Any,
    name: str,
    description: str | None,
    fields_of: Callable[[], dict[str, _Field]],
    make: Callable[[dict[str, Any]], Any],
) -> Shape:
    shape, complete = _object(name, description, fields_of, make)
    _SHAPES[type_] = shape
    try:
        complete()
    except BaseException:
        del _SHAPES[type_]
        raise
    return shape


def _documentation(class_: type[Any]) -> str | None:
    text = class_.__dict__.get("__doc__")
    # What `dataclass` writes itself says nothing.
    if not text or text.startswith(f"{class_.__name__}("):
        return None
    return " ".join(str(text).split())


def _model(type_: Any) -> Shape:
    """A class that reads, writes and describes itself, as those of pydantic do."""

    def read(value: Any) -> Any:
        try:
            return type_.model_validate(value)
        except ValueError as error:
            raise Mismatch(" ".join(str(error).split())) from None

    def schema(definitions: Definitions) -> Schema:
        whole = dict(type_.model_json_schema())
        definitions.update(whole.pop("$defs", {}))
        return whole

    return Shape(read, schema)


_NULL = _leaf(types.NoneType, "null", {"type": "null"}, null=True)

# Methods of `datetime` are looked up when a value is read: the class may have been replaced by then.
_TEXTS: dict[type[Any], Shape] = {
    datetime.datetime: _text(
        lambda text: datetime.datetime.fromisoformat(text), "a date and time (RFC 3339)", {"format": "date-time"}
    ),
    datetime.date: _text(lambda text: datetime.date.fromisoformat(text), "a date", {"format": "date"}),
    datetime.time: _text(lambda text: datetime.time.fromisoformat(text), "a time", {"format": "time"}),
    uuid.UUID: _text(uuid.UUID, "a UUID", {"format": "uuid"}),
    decimal.Decimal: _text(decimal.Decimal, "a decimal number in a text", {}),
    bytes: _text(lambda text: base64.b64decode(text, validate=True), "base64", {"contentEncoding": "base64"}),
}

_LISTS: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    collections.abc.Set: frozenset,
    collections.abc.MutableSet: set,
}

_ANYTHING = Shape(lambda value: value, lambda _: {}, takes_null=True)

_SHAPES: dict[Any, Shape] = {
    Any: _ANYTHING,
    object: _ANYTHING,
    None: _NULL,
    types.NoneType: _NULL,
    bool: _leaf(bool, "a boolean", {"type": "boolean"}),
    int: _leaf(int, "an integer", {"type": "integer"}),
    float: Shape(_read_float, lambda _: {"type": "number"}),
    str: _leaf(str, "a text", {"type": "string"}),
}
