"""Mail to customers. A real one would use an effect; this one writes to the log."""

import dataclasses
import logging

from relight import Context, Service

mail = Service("Mail", documentation="Mail to customers.")


@dataclasses.dataclass
class Confirmation:
    """What to tell a customer."""

    customer: str
    tickets: list[str]


@mail.handler(public=False)
async def confirm(ctx: Context, confirmation: Confirmation) -> None:
    """The tickets are bought."""
    logging.info("to %s: your tickets %s", confirmation.customer, ", ".join(confirmation.tickets))
