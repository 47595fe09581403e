//! What is left of one item. Its key is the item; the lock of the key keeps two orders from getting the last piece.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So many pieces for an order.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Reservation {
    pub order: String,
    pub quantity: u32,
}

/// An item in the warehouse.
#[virtual_object]
impl Stock {
    /// More of it has come. Gives what is left.
    #[handler]
    async fn add(ctx: &ObjectContext, quantity: u32) -> Result<u32, Failure> {
        let left = left(ctx)? + quantity;
        ctx.set(LEFT, &left)?;
        Ok(left)
    }

    /// Put some aside for an order.
    #[handler(public = false)]
    async fn reserve(ctx: &ObjectContext, reservation: Reservation) -> Result<(), Failure> {
        let left = left(ctx)?;
        let Some(rest) = left.checked_sub(reservation.quantity) else {
            return Err(
                Failure::new(409, format!("only {left} left")).with_metadata("left", left.to_string())
            );
        };
        ctx.set(LEFT, &rest)?;
        ctx.set(&reservation.order, &reservation.quantity)
    }

    /// Whatever is put aside for an order is for others again.
    #[handler(public = false)]
    async fn release(ctx: &ObjectContext, order: String) -> Result<(), Failure> {
        if let Some(quantity) = ctx.get::<u32>(&order)? {
            ctx.clear(&order);
            ctx.set(LEFT, &(left(ctx)? + quantity))?;
        }
        Ok(())
    }

    /// What is left.
    #[handler(shared)]
    async fn count(ctx: &SharedObjectContext) -> Result<u32, Failure> {
        left(ctx)
    }
}

const LEFT: &str = "left";

fn left(ctx: &SharedObjectContext) -> Result<u32, Failure> {
    Ok(ctx.get(LEFT)?.unwrap_or(0))
}
