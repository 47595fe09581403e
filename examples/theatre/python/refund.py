"""Refunds, which a person approves. The key is the payment's id. Waiting two days for an answer costs nothing: no instance is kept."""

import asyncio
import dataclasses
from typing import Literal, Optional

from relight import AwakeableId, Object, ObjectContext, SharedObjectContext

import cart
from payments import RefundPayment, refund_payment

PATIENCE = 2 * 24 * 60 * 60
"""How long a request waits for its approval, in seconds."""

refund = Object("Refund", documentation="The refund of one payment.")


@dataclasses.dataclass
class RefundRequest:
    """The input of `Refund/request`. `patience_seconds`: wait for so long instead of two days."""

    customer: str
    patience_seconds: Optional[int] = None
    payments_url: Optional[str] = None


@dataclasses.dataclass
class Approval:
    """What the person answers: the value that resolves the awakeable."""

    approved: bool


Outcome = Literal["refunded", "refused", "expired"]


@refund.handler
async def request(ctx: ObjectContext, request: RefundRequest) -> Outcome:
    """Ask for a refund, and wait for the answer."""
    answer = ctx.awakeable(Approval)
    ctx.set("approval-id", answer.id)
    patience = PATIENCE if request.patience_seconds is None else request.patience_seconds
    try:
        # A rejected awakeable is a failure, and so is a cancelled wait: both end the request.
        approval = await asyncio.wait_for(answer, patience)
    except TimeoutError:
        return "expired"
    finally:
        ctx.clear("approval-id")
    if not approval.approved:
        return "refused"
    await ctx.effect(refund_payment(RefundPayment(ctx.key, request.payments_url)))
    await ctx.call(cart.refunded, ctx.key, key=request.customer)
    return "refunded"


@refund.handler(shared=True)
async def approval_id(ctx: SharedObjectContext) -> Optional[AwakeableId]:
    """The id by which to resolve or reject the request that is waiting, if one is."""
    return ctx.get("approval-id", AwakeableId)
