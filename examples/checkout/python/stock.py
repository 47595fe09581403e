"""What is left of one item. Its key is the item; the lock of the key keeps two orders from getting the last piece."""

import dataclasses

from relight import Object, ObjectContext, SharedObjectContext, TerminalFailure

stock = Object("Stock", documentation="An item in the warehouse.")


@dataclasses.dataclass
class Reservation:
    """So many pieces for an order."""

    order: str
    quantity: int


@stock.handler
async def add(ctx: ObjectContext, quantity: int) -> int:
    """More of it has come. Gives what is left."""
    left = left_of(ctx) + quantity
    ctx.set("left", left)
    return left


@stock.handler(public=False)
async def reserve(ctx: ObjectContext, reservation: Reservation) -> None:
    """Put some aside for an order."""
    left = left_of(ctx)
    if left < reservation.quantity:
        raise TerminalFailure(f"only {left} left", code=409, metadata={"left": str(left)})
    ctx.set("left", left - reservation.quantity)
    ctx.set(reservation.order, reservation.quantity)


@stock.handler(public=False)
async def release(ctx: ObjectContext, order: str) -> None:
    """Whatever is put aside for an order is for others again."""
    quantity = ctx.get(order, int)
    if quantity is not None:
        ctx.clear(order)
        ctx.set("left", left_of(ctx) + quantity)


@stock.handler(shared=True)
async def count(ctx: SharedObjectContext) -> int:
    """What is left."""
    return left_of(ctx)


def left_of(ctx: SharedObjectContext) -> int:
    return ctx.get("left", int, 0)
