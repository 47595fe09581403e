"""One seat of one show. Its key is the ticket's name; the lock of the key is what keeps two carts from getting it."""

import enum

from relight import Object, ObjectContext, SharedObjectContext


class Status(enum.Enum):
    """Where a ticket is."""

    AVAILABLE = "available"
    RESERVED = "reserved"
    SOLD = "sold"


ticket = Object("Ticket", documentation="A ticket.")


@ticket.handler(public=False)
async def reserve(ctx: ObjectContext) -> bool:
    """Reserve it. False when somebody else has it."""
    is_available = status(ctx) is Status.AVAILABLE
    if is_available:
        ctx.set("status", Status.RESERVED)
    return is_available


@ticket.handler(public=False)
async def release(ctx: ObjectContext) -> None:
    """Give it back: whoever reserved or bought it does not want it."""
    ctx.clear("status")


@ticket.handler(public=False)
async def mark_as_sold(ctx: ObjectContext) -> None:
    """It has been paid for."""
    ctx.set("status", Status.SOLD)


@ticket.handler(shared=True)
async def get(ctx: SharedObjectContext) -> Status:
    """Where it is."""
    return status(ctx)


def status(ctx: SharedObjectContext) -> Status:
    return ctx.get("status", Status, Status.AVAILABLE)
