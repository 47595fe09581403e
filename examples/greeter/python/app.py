"""The smallest service and the smallest virtual object. How to run it: see `../README.md`."""

import dataclasses

import relight
from relight import Context, ObjectContext, SharedObjectContext, TerminalFailure

greeter = relight.Service("Greeter", documentation="Greets people, and remembers how often.")
counter = relight.Object("Counter", documentation="A number per key.")

COUNT_MAX = 2**63 - 1


@dataclasses.dataclass
class GreetRequest:
    """Who is to be greeted."""

    name: str


@dataclasses.dataclass
class Greeting:
    """The answer of `Greeter/greet`."""

    message: str
    visit: int


@greeter.handler
async def greet(ctx: Context, request: GreetRequest) -> Greeting:
    """Greet somebody."""
    name = request.name.strip()
    if not name:
        raise TerminalFailure("nobody to greet: `name` is empty", code=400)
    visit = await ctx.call(add, 1, key=name)
    return Greeting(f"Hello, {name}!", visit)


@counter.handler
async def add(ctx: ObjectContext, amount: int) -> int:
    """Add to the counter and return its new value."""
    value = ctx.get("value", int, 0) + amount
    if abs(value) > COUNT_MAX:
        raise TerminalFailure("the counter is full", code=422)
    ctx.set("value", value)
    return value


@counter.handler(shared=True)
async def get(ctx: SharedObjectContext) -> int:
    """The counter's value."""
    return ctx.get("value", int, 0)


relight.export(greeter, counter)
