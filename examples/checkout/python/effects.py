"""What touches the world. In this example nothing does: a real charge would be an HTTP request with `effect_idempotency_key()`, as in the
theatre."""

import dataclasses
import logging

from relight import RetryPolicy, TerminalFailure, effect

A_FEW_TIMES = RetryPolicy(max_attempts=5, initial_interval=0.2)


@dataclasses.dataclass
class Charge:
    """What to charge."""

    order: str
    cents: int
    card: str


@dataclasses.dataclass
class Shipment:
    """Where to send an order."""

    order: str
    address: str


@effect(retry=A_FEW_TIMES, timeout=30)
def charge(request: Charge) -> str:
    """Charges a card, and gives the payment's id."""
    if request.card == "declined":
        raise TerminalFailure("the card was declined", code=402)
    return f"payment-{request.order}"


@effect(retry=RetryPolicy(initial_interval=1, max_interval=60), timeout=30)
def refund(order: str) -> None:
    """Gives back whatever was charged for an order. Tried until it works: there is nothing else to be done."""
    logging.info("refunded order %s", order)


@effect(retry=A_FEW_TIMES, timeout=30)
def ship(shipment: Shipment) -> str:
    """Hands an order to the carrier, and gives the parcel's id."""
    if shipment.address == "nowhere":
        raise TerminalFailure("nobody delivers there", code=422)
    return f"parcel-{shipment.order}"
