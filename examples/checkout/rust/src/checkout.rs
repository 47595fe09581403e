//! The saga. Its key is the order.

use std::time::Duration;

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::effects::{Charge, Shipment, charge, refund, ship};
use crate::stock::{Reservation, StockClient};

/// What one piece of anything costs.
const PIECE_CENTS: u32 = 2_500;

/// How long the warehouse may take to pack.
const PATIENCE: Duration = days(2);

/// The input of `Checkout/run`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    pub item: String,
    pub quantity: u32,
    pub card: String,
    pub address: String,
}

/// The output of `Checkout/run`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    pub payment: String,
    pub parcel: String,
}

/// How to undo a step. Noted before the step begins, and right whether it happened or not: it names the order, not what the step gave.
enum Undo {
    Release,
    Refund,
}

/// The checkout of one order.
#[workflow]
impl Checkout {
    /// Reserve, charge, wait until it is packed, ship. What was done is undone when something fails, or the order is cancelled.
    #[run]
    async fn run(ctx: &WorkflowContext, order: Order) -> Result<Receipt, Failure> {
        let mut undo = Vec::new();
        let outcome = steps(ctx, &order, &mut undo).await;
        if outcome.is_err() {
            // A cancellation is delivered once: from here on waits work as ever.
            for step in undo.into_iter().rev() {
                match step {
                    Undo::Refund => ctx.effect(refund(ctx.key().to_owned())).await?,
                    Undo::Release => {
                        ctx.object::<StockClient>(&order.item).release(ctx.key().to_owned()).await?;
                    }
                }
            }
            ctx.set(STATUS, "undone")?;
        }
        outcome
    }

    /// The warehouse has packed the order.
    #[handler]
    async fn packed(ctx: &SharedWorkflowContext) -> Result<(), Failure> {
        ctx.resolve_promise("packed", &()).await
    }

    /// Where the order is.
    #[handler]
    async fn status(ctx: &SharedWorkflowContext) -> Result<Option<String>, Failure> {
        ctx.get(STATUS)
    }
}

async fn steps(ctx: &WorkflowContext, order: &Order, undo: &mut Vec<Undo>) -> Result<Receipt, Failure> {
    let id = ctx.key().to_owned();

    undo.push(Undo::Release);
    let reservation = Reservation { order: id.clone(), quantity: order.quantity };
    ctx.object::<StockClient>(&order.item).reserve(reservation).await?;

    undo.push(Undo::Refund);
    let cents = order.quantity * PIECE_CENTS;
    let payment = ctx.effect(charge(Charge { order: id.clone(), cents, card: order.card.clone() })).await?;
    ctx.set(STATUS, "paid")?;

    let too_late = ctx.sleep(PATIENCE);
    match select(ctx.promise::<()>("packed"), too_late).await {
        (Either::Left(packed), _) => packed?,
        (Either::Right(timer), _) => {
            timer?;
            return Err(Failure::new(504, "nobody packed it in time"));
        }
    }

    let parcel = ctx.effect(ship(Shipment { order: id, address: order.address.clone() })).await?;
    ctx.set(STATUS, "shipped")?;
    Ok(Receipt { payment, parcel })
}

const STATUS: &str = "status";
