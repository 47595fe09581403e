"""The saga. Its key is the order."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Optional

from relight import SharedWorkflowContext, TerminalFailure, Workflow, WorkflowContext

import stock
from effects import Charge, Shipment, charge, refund, ship

PIECE_CENTS = 2_500
"""What one piece of anything costs."""

PATIENCE = 2 * 24 * 60 * 60
"""How long the warehouse may take to pack, in seconds."""

checkout = Workflow("Checkout", documentation="The checkout of one order.")


@dataclasses.dataclass
class Order:
    """The input of `Checkout/run`."""

    item: str
    quantity: int
    card: str
    address: str


@dataclasses.dataclass
class Receipt:
    """The output of `Checkout/run`."""

    payment: str
    parcel: str


@checkout.main
async def run(ctx: WorkflowContext, order: Order) -> Receipt:
    """Reserve, charge, wait until it is packed, ship. What was done is undone when something fails, or the order is cancelled."""
    undo: list[Callable[[], Awaitable[None]]] = []
    try:
        return await steps(ctx, order, undo)
    except TerminalFailure:
        # A cancellation is delivered once: from here on waits work as ever.
        for step in reversed(undo):
            await step()
        ctx.set("status", "undone")
        raise


async def steps(ctx: WorkflowContext, order: Order, undo: list[Callable[[], Awaitable[None]]]) -> Receipt:
    """How to undo a step is noted before it begins, and right whether it happened or not: it names the order, not what the step gave."""
    undo.append(lambda: ctx.call(stock.release, ctx.key, key=order.item))
    await ctx.call(stock.reserve, stock.Reservation(ctx.key, order.quantity), key=order.item)

    undo.append(lambda: ctx.effect(refund(ctx.key)))
    payment = await ctx.effect(charge(Charge(ctx.key, order.quantity * PIECE_CENTS, order.card)))
    ctx.set("status", "paid")

    try:
        async with asyncio.timeout(PATIENCE):
            await ctx.promise("packed")
    except TimeoutError:
        raise TerminalFailure("nobody packed it in time", code=504) from None

    parcel = await ctx.effect(ship(Shipment(ctx.key, order.address)))
    ctx.set("status", "shipped")
    return Receipt(payment, parcel)


@checkout.handler
async def packed(ctx: SharedWorkflowContext) -> None:
    """The warehouse has packed the order."""
    await ctx.resolve_promise("packed")


@checkout.handler
async def status(ctx: SharedWorkflowContext) -> Optional[str]:
    """Where the order is."""
    return ctx.get("status", str)
