"""JSON and schemas of the types that handlers are annotated with."""

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import json
import typing
import unittest
import uuid
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, Union

import fake  # noqa: F401 (first)

from relight._json import decode, decode_input, encode
from relight._shapes import schema_of
from relight.errors import TerminalFailure

Sku = NewType("Sku", str)
T = typing.TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Address:
    """Where somebody lives."""

    street: str
    zip: Optional[str]
    floors: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Person:
    name: Annotated[str, "The whole name."]
    address: Address
    friends: "list[Person]"
    born: Optional[datetime.date] = None


@dataclasses.dataclass
class Page(typing.Generic[T]):
    items: list[T]
    next: Optional[int] = None


@dataclasses.dataclass
class Percent:
    value: int

    def __post_init__(self):
        if not 0 <= self.value <= 100:
            raise ValueError("a percentage is between 0 and 100")


class Movie(TypedDict):
    title: str
    year: typing.NotRequired[int]


class Point(NamedTuple):
    x: int
    y: float


class Model:
    """A class as those of pydantic are."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and other.name == self.name

    @classmethod
    def model_validate(cls, value: Any) -> "Model":
        if not isinstance(value, dict) or "name" not in value:
            raise ValueError("1 validation error for Model\nname\n  Field required")
        return cls(value["name"])

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return {"$ref": "#/$defs/Model", "$defs": {"Model": {"type": "object"}}}

    def model_dump_json(self) -> str:
        return json.dumps({"name": self.name})


class JsonTest(unittest.TestCase):
    def test_values_come_back_as_what_they_were(self):
        moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)
        cases = [
            (int, 2**70, str(2**70)),
            (float, 1.5, "1.5"),
            (bool, True, "true"),
            (str, 'ä "☕"\n', '"ä \\"☕\\"\\n"'),
            (None, None, "null"),
            (Any, {"a": [1, None]}, '{"a":[1,null]}'),
            (list[int], [1, 2], "[1,2]"),
            (collections.abc.Sequence[str], ["a"], '["a"]'),
            (set[int], {7}, "[7]"),
            (tuple[int, str], (1, "a"), '[1,"a"]'),
            (tuple[int, ...], (1, 2, 3), "[1,2,3]"),
            (dict[str, list[int]], {"a": [1]}, '{"a":[1]}'),
            (dict[int, str], {5: "five"}, '{"5":"five"}'),
            (Optional[int], None, "null"),
            (int | str, "a", '"a"'),
            (Union[int, list[int]], [1], "[1]"),
            (Literal["a", 1], 1, "1"),
            (Colour, Colour.BLUE, '"blue"'),
            (Sku, "s1", '"s1"'),
            (bytes, b"\x00\xff", '"AP8="'),
            (decimal.Decimal, decimal.Decimal("1.10"), '"1.10"'),
            (uuid.UUID, uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
            (datetime.datetime, moment, '"2026-01-02T03:04:05.678000+00:00"'),
            (datetime.date, datetime.date(2026, 1, 2), '"2026-01-02"'),
            (Address, Address("a", None, [1]), '{"street":"a","zip":null,"floors":[1]}'),
            (Page[int], Page([1], 2), '{"items":[1],"next":2}'),
            (Movie, {"title": "M"}, '{"title":"M"}'),
            (Point, Point(1, 2.5), "[1,2.5]"),
            (Model, Model("m"), '{"name":"m"}'),
            (
                Person,
                Person("A", Address("s", "z"), [Person("B", Address("t", None), [])]),
                '{"name":"A","address":{"street":"s","zip":"z","floors":[]},"friends":[{"name":"B","address":'
                '{"street":"t","zip":null,"floors":[]},"friends":[],"born":null}],"born":null}',
            ),
        ]
        for type_, value, text in cases:
            with self.subTest(type=type_):
                self.assertEqual(encode(value).decode(), text)
                self.assertEqual(decode(text.encode(), type_), value)

    def test_what_does_not_fit_is_named_with_its_place(self):
        cases = [
            (int, "1.5", "`1.5` is not an integer"),
            (int, "true", "`true` is not an integer"),
            (int, "", "null is not an integer"),
            (bool, "1", "`1` is not a boolean"),
            (str, "{}", "an object is not a text"),
            (float, '"1"', "a text is not a number"),
            (list[int], '[1,"a"]', "a text is not an integer at `[1]`"),
            (dict[str, int], '{"a":null}', "null is not an integer at `a`"),
            (dict[int, int], '{"a":1}', "`a` is no possible name"),
            (tuple[int, int], "[1]", "a list is not a list of 2"),
            (Literal["a", "b"], '"c"', "a text is not one of 'a', 'b'"),
            (Colour, '"green"', "a text is not a value of Colour"),
            (Address, '{"zip":"1"}', "`street` is missing in Address"),
            (Address, '{"street":"s","floors":[0,"x"]}', "a text is not an integer at `floors[1]`"),
            (Person, '{"name":"a","address":{"street":1},"friends":[]}', "`1` is not a text at `address.street`"),
            (Optional[Address], '{"street":1}', "`1` is not a text at `street`"),
            (Percent, '{"value":101}', "a percentage is between 0 and 100"),
            (Model, "{}", "1 validation error for Model name Field required"),
            (datetime.datetime, '"noon"', "a text is not a date and time (RFC 3339)"),
            (decimal.Decimal, '"x"', "a text is not a decimal number in a text"),
            (Any, "{", "it is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            (Any, b"\xff\xfe\xfd".decode("latin-1").encode("latin-1"), None),
        ]
        for type_, text, message in cases:
            with self.subTest(type=type_, text=text), self.assertRaises(ValueError) as raised:
                decode(text if isinstance(text, bytes) else text.encode(), type_)
            if message is not None:
                self.assertEqual(str(raised.exception), message)

    def test_what_may_be_nothing_may_be_left_out(self):
        self.assertEqual(decode(b'{"street":"s"}', Address), Address("s", None, []))
        self.assertEqual(decode(b'{"street":"s","unknown":1}', Address), Address("s", None, []))

    def test_a_type_variable_is_what_it_stands_for(self):
        with self.assertRaises(ValueError):
            decode(b'{"items":["a"]}', Page[int])
        self.assertEqual(decode(b'{"items":["a"]}', Page[str]).items, ["a"])

    def test_deep_nesting_is_refused_before_it_is_read(self):
        deep = b"[" * 50_000 + b"]" * 50_000
        with self.assertRaises(TerminalFailure) as raised:
            decode_input(deep, Any)
        self.assertEqual(raised.exception.code, 400)
        self.assertEqual(decode(b"[" * 128 + b"]" * 128, Any), json.loads(b"[" * 128 + b"]" * 128))
        brackets = json.dumps(['[{"' * 1000] * 3).encode()
        self.assertEqual(decode(brackets, list[str]), ['[{"' * 1000] * 3)

    def test_what_json_does_not_have_is_refused(self):
        for value in (float("nan"), object(), {1: {2: object()}}):
            with self.assertRaises((TypeError, ValueError)):
                encode(value)

    def test_types_without_a_json_form_are_refused(self):
        for type_ in (complex, T, list[complex], typing.Callable[[], int]):
            with self.subTest(type=type_), self.assertRaisesRegex(TypeError, "has no JSON form"):
                schema_of(type_)


class SchemaTest(unittest.TestCase):
    def test_schemas_of_plain_types(self):
        cases = [
            (int, {"type": "integer"}),
            (Optional[str], {"anyOf": [{"type": "string"}, {"type": "null"}]}),
            (list[float], {"type": "array", "items": {"type": "number"}}),
            (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
            (Literal["a", "b"], {"enum": ["a", "b"]}),
            (Colour, {"enum": ["red", "blue"]}),
            (Annotated[int, "How many."], {"type": "integer", "description": "How many."}),
            (datetime.datetime, {"type": "string", "format": "date-time"}),
            (Any, {}),
        ]
        for type_, schema in cases:
            with self.subTest(type=type_):
                self.assertEqual(schema_of(type_), schema)

    def test_named_types_are_definitions(self):
        schema = schema_of(Person)
        self.assertEqual(schema["$ref"], "#/$defs/Person")
        person, address = schema["$defs"]["Person"], schema["$defs"]["Address"]
        self.assertEqual(person["properties"]["name"], {"type": "string", "description": "The whole name."})
        self.assertEqual(person["properties"]["friends"]["items"], {"$ref": "#/$defs/Person"})
        self.assertEqual(person["required"], ["name", "address", "friends"])
        self.assertNotIn("description", person)
        self.assertEqual(address["description"], "Where somebody lives.")
        self.assertEqual(address["required"], ["street"])

    def test_a_model_describes_itself(self):
        self.assertEqual(
            schema_of(list[Model]),
            {"type": "array", "items": {"$ref": "#/$defs/Model"}, "$defs": {"Model": {"type": "object"}}},
        )


if __name__ == "__main__":
    unittest.main()
