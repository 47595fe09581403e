//! A customer's cart. Its key is the customer's name.

use std::time::Duration;

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mail::{Confirmation, MailClient};
use crate::payments::{Charge, Payment, charge};
use crate::ticket::TicketClient;

/// How long a ticket stays in a cart.
const HOLD: Duration = minutes(15);

/// What one ticket costs.
const TICKET_CENTS: u32 = 4_000;

/// A ticket that a cart holds. The id tells one hold of a ticket from a later one, so that an old expiry does not end a new hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    pub ticket: String,
    pub id: String,
}

/// What was bought with one payment.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    pub payment: Payment,
    pub tickets: Vec<String>,
}

/// The input of `Cart/add_ticket`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct AddTicket {
    pub ticket: String,
    /// Hold it for so long instead of 15 minutes.
    pub hold_seconds: Option<u64>,
}

/// The input of `Cart/checkout`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Checkout {
    /// Where the payment server listens; `http://127.0.0.1:9900` if absent. The deployment's allow-list has the last word.
    pub payments_url: Option<String>,
    /// The card to charge; the payment server declines the card `declined`.
    pub card: Option<String>,
}

/// The output of `Cart/get`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct CartView {
    pub tickets: Vec<String>,
    pub orders: Vec<Order>,
}

/// A customer's tickets, until they are paid for.
#[virtual_object]
impl Cart {
    /// Reserve a ticket and hold it for 15 minutes. False when somebody else has it.
    #[handler]
    async fn add_ticket(ctx: &ObjectContext, request: AddTicket) -> Result<bool, Failure> {
        let AddTicket { ticket, hold_seconds } = request;
        if !ctx.object::<TicketClient>(&ticket).reserve().await? {
            return Ok(false);
        }
        let hold = Hold { ticket, id: ctx.uuid() };
        let mut held = held(ctx)?;
        held.push(hold.clone());
        ctx.set(HELD, &held)?;
        let expiry = hold_seconds.map_or(HOLD, seconds);
        ctx.object::<CartClient>(ctx.key()).expire_ticket(hold).send_after(expiry);
        Ok(true)
    }

    /// A hold has run out. Nothing happens when the ticket has been bought meanwhile.
    #[handler(public = false)]
    async fn expire_ticket(ctx: &ObjectContext, expired: Hold) -> Result<(), Failure> {
        let mut held = held(ctx)?;
        let Some(position) = held.iter().position(|hold| *hold == expired) else { return Ok(()) };
        held.remove(position);
        ctx.set(HELD, &held)?;
        ctx.object::<TicketClient>(&expired.ticket).release().send();
        relight::info!("ticket {} is free again", expired.ticket);
        Ok(())
    }

    /// Pay for everything in the cart.
    #[handler]
    async fn checkout(ctx: &ObjectContext, request: Option<Checkout>) -> Result<Order, Failure> {
        let Checkout { payments_url, card } = request.unwrap_or_default();
        let tickets: Vec<String> = held(ctx)?.into_iter().map(|hold| hold.ticket).collect();
        let count = u32::try_from(tickets.len()).map_err(|_| Failure::new(422, "too many tickets"))?;
        if count == 0 {
            return Err(Failure::new(422, "the cart is empty"));
        }

        // From here on a crash cannot lead to a second payment: either the result of the charge is recorded, or it is repeated with the
        // same idempotency key.
        let request =
            Charge { customer: ctx.key().to_owned(), cents: count * TICKET_CENTS, card, payments_url };
        let payment = ctx.effect(charge(request)).await?;

        ctx.all(tickets.iter().map(|ticket| ctx.object::<TicketClient>(ticket).mark_as_sold())).await?;
        let order = Order { payment, tickets };
        let mut orders = orders(ctx)?;
        orders.push(order.clone());
        ctx.set(ORDERS, &orders)?;
        ctx.clear(HELD);
        ctx.service::<MailClient>()
            .confirm(Confirmation { customer: ctx.key().to_owned(), tickets: order.tickets.clone() })
            .send();
        Ok(order)
    }

    /// An order has been refunded: its tickets are free again.
    #[handler(public = false)]
    async fn refunded(ctx: &ObjectContext, payment_id: String) -> Result<(), Failure> {
        let (refunded, kept): (Vec<_>, Vec<_>) =
            orders(ctx)?.into_iter().partition(|order| order.payment.payment_id == payment_id);
        ctx.set(ORDERS, &kept)?;
        for ticket in refunded.iter().flat_map(|order| &order.tickets) {
            ctx.object::<TicketClient>(ticket).release().send();
        }
        Ok(())
    }

    /// What is in the cart, and what has been bought. Also while a checkout is running.
    #[handler(shared)]
    async fn get(ctx: &SharedObjectContext) -> Result<CartView, Failure> {
        let tickets = held(ctx)?.into_iter().map(|hold| hold.ticket).collect();
        Ok(CartView { tickets, orders: orders(ctx)? })
    }
}

const HELD: &str = "held";
const ORDERS: &str = "orders";

fn held(ctx: &SharedObjectContext) -> Result<Vec<Hold>, Failure> {
    Ok(ctx.get(HELD)?.unwrap_or_default())
}

fn orders(ctx: &SharedObjectContext) -> Result<Vec<Order>, Failure> {
    Ok(ctx.get(ORDERS)?.unwrap_or_default())
}
