"""A customer's cart. Its key is the customer's name."""

import dataclasses
import logging
from typing import Optional

from relight import Object, ObjectContext, SharedObjectContext, TerminalFailure

import mail
import ticket
from payments import Charge, Payment, charge

HOLD = 15 * 60
"""How long a ticket stays in a cart, in seconds."""

TICKET_CENTS = 4_000
"""What one ticket costs."""

cart = Object("Cart", documentation="A customer's tickets, until they are paid for.")


@dataclasses.dataclass
class Hold:
    """A ticket that a cart holds. The id tells one hold of a ticket from a later one, so that an old expiry does not end a new hold."""

    ticket: str
    id: str


@dataclasses.dataclass
class Order:
    """What was bought with one payment."""

    payment: Payment
    tickets: list[str]


@dataclasses.dataclass
class AddTicket:
    """The input of `Cart/add_ticket`. `hold_seconds`: hold it for so long instead of 15 minutes."""

    ticket: str
    hold_seconds: Optional[int] = None


@dataclasses.dataclass
class Checkout:
    """The input of `Cart/checkout`: where the payment server listens, and the card to charge; the server declines the card `declined`."""

    payments_url: Optional[str] = None
    card: Optional[str] = None


@dataclasses.dataclass
class CartView:
    """The output of `Cart/get`."""

    tickets: list[str]
    orders: list[Order]


@cart.handler
async def add_ticket(ctx: ObjectContext, request: AddTicket) -> bool:
    """Reserve a ticket and hold it for 15 minutes. False when somebody else has it."""
    if not await ctx.call(ticket.reserve, key=request.ticket):
        return False
    hold = Hold(request.ticket, str(ctx.uuid()))
    ctx.set("held", [*held(ctx), hold])
    expiry = HOLD if request.hold_seconds is None else request.hold_seconds
    ctx.send(expire_ticket, hold, key=ctx.key, delay=expiry)
    return True


@cart.handler(public=False)
async def expire_ticket(ctx: ObjectContext, expired: Hold) -> None:
    """A hold has run out. Nothing happens when the ticket has been bought meanwhile."""
    holds = held(ctx)
    if expired not in holds:
        return
    ctx.set("held", [hold for hold in holds if hold != expired])
    ctx.send(ticket.release, key=expired.ticket)
    logging.info("ticket %s is free again", expired.ticket)


@cart.handler
async def checkout(ctx: ObjectContext, request: Optional[Checkout]) -> Order:
    """Pay for everything in the cart."""
    request = request or Checkout()
    tickets = [hold.ticket for hold in held(ctx)]
    if not tickets:
        raise TerminalFailure("the cart is empty", code=422)

    # From here on a crash cannot lead to a second payment: either the result of the charge is recorded, or it is repeated with the same
    # idempotency key.
    cents = len(tickets) * TICKET_CENTS
    payment = await ctx.effect(charge(Charge(ctx.key, cents, request.card, request.payments_url)))

    await ctx.all([ctx.call(ticket.mark_as_sold, key=name) for name in tickets])
    order = Order(payment, tickets)
    ctx.set("orders", [*orders(ctx), order])
    ctx.clear("held")
    ctx.send(mail.confirm, mail.Confirmation(ctx.key, tickets))
    return order


@cart.handler(public=False)
async def refunded(ctx: ObjectContext, payment_id: str) -> None:
    """An order has been refunded: its tickets are free again."""
    found = orders(ctx)
    ctx.set("orders", [order for order in found if order.payment.payment_id != payment_id])
    for order in found:
        if order.payment.payment_id == payment_id:
            for name in order.tickets:
                ctx.send(ticket.release, key=name)


@cart.handler(shared=True)
async def get(ctx: SharedObjectContext) -> CartView:
    """What is in the cart, and what has been bought. Also while a checkout is running."""
    return CartView([hold.ticket for hold in held(ctx)], orders(ctx))


def held(ctx: SharedObjectContext) -> list[Hold]:
    return ctx.get("held", list[Hold], [])


def orders(ctx: SharedObjectContext) -> list[Order]:
    return ctx.get("orders", list[Order], [])
