"""The virtual object: values by key."""

import dataclasses
from typing import Optional

from relight import Object, ObjectContext, SharedObjectContext, TerminalFailure

shelf = Object("Shelf", documentation="Values by key.")


@dataclasses.dataclass
class Put:
    """The input of `Shelf/put`."""

    name: str
    value: str


@shelf.handler
async def add(ctx: ObjectContext, amount: int) -> int:
    """Add to the count and give the new one; what would make it negative is refused."""
    count = ctx.get("count", int, 0) + amount
    if count < 0:
        raise TerminalFailure(
            "the count would be negative", code=422, metadata={"count": str(count), "shelf": ctx.key}
        )
    ctx.set("count", count)
    return count


@shelf.handler
async def put(ctx: ObjectContext, put: Put) -> None:
    """Set one value."""
    ctx.set(put.name, put.value)


@shelf.handler(shared=True)
async def read(ctx: SharedObjectContext, name: str) -> Optional[str]:
    """Read one value."""
    return ctx.get(name, str)


@shelf.handler(shared=True)
async def names(ctx: SharedObjectContext) -> list[str]:
    """The names of all values."""
    return ctx.keys()


@shelf.handler
async def drop(ctx: ObjectContext, name: str) -> None:
    """Remove one value."""
    ctx.clear(name)


@shelf.handler
async def empty(ctx: ObjectContext) -> None:
    """Remove all values."""
    ctx.clear_all()


@shelf.handler
async def own_writes(
    ctx: ObjectContext,
) -> tuple[Optional[int], Optional[int], Optional[int], Optional[int], list[str]]:
    """A handler sees what it has written itself, and reads that without an entry."""
    before = ctx.get("a", int)
    ctx.set("b", 2)
    ctx.set("a", 1)
    written = ctx.get("a", int)
    ctx.clear("a")
    cleared = ctx.get("a", int)
    ctx.clear_all()
    return before, written, cleared, ctx.get("b", int), ctx.keys()


@shelf.handler
async def hold(ctx: ObjectContext) -> str:
    """Wait for an awakeable whose id is in the state."""
    value = ctx.awakeable(str)
    ctx.set("awakeable", value.id)
    return await value
