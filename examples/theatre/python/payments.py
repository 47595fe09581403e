"""The effects: requests to the payment server. They run in their own instance, and the idempotency key makes a repeated one harmless."""

import dataclasses
from typing import Optional

from relight import RetryPolicy, TerminalFailure, effect, effect_idempotency_key, http

PAYMENTS_URL = "http://127.0.0.1:9900"
"""Where the payment server listens unless the request says otherwise."""

PATIENT = RetryPolicy(max_attempts=20, initial_interval=0.2, factor=2, max_interval=5)


@dataclasses.dataclass
class Charge:
    """What to charge."""

    customer: str
    cents: int
    card: Optional[str]
    payments_url: Optional[str]


@dataclasses.dataclass
class RefundPayment:
    """What to give back."""

    payment_id: str
    payments_url: Optional[str]


@dataclasses.dataclass
class Payment:
    """What the payment server recorded."""

    payment_id: str
    cents: int


@effect(retry=PATIENT, timeout=30)
def charge(request: Charge) -> Payment:
    """Charge a card."""
    response = http.post(
        f"{request.payments_url or PAYMENTS_URL}/charge",
        headers={"idempotency-key": effect_idempotency_key()},
        json=request,
    )
    if response.status == 402:
        raise TerminalFailure("the card was declined", code=402)
    return response.raise_for_status().json(Payment)


@effect(retry=PATIENT, timeout=30)
def refund_payment(request: RefundPayment) -> None:
    """Give the money back."""
    response = http.post(
        f"{request.payments_url or PAYMENTS_URL}/payments/{request.payment_id}/refund",
        headers={"idempotency-key": effect_idempotency_key()},
    )
    if response.status == 404:
        raise TerminalFailure(f"there is no payment `{request.payment_id}`", code=404)
    response.raise_for_status()
