//! One seat of one show. Its key is the ticket's name; the lock of the key is what keeps two carts from getting it.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a ticket is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    #[default]
    Available,
    Reserved,
    Sold,
}

/// A ticket.
#[virtual_object]
impl Ticket {
    /// Reserve it. False when somebody else has it.
    #[handler(public = false)]
    async fn reserve(ctx: &ObjectContext) -> Result<bool, Failure> {
        let is_available = status(ctx)? == Status::Available;
        if is_available {
            ctx.set(STATUS, &Status::Reserved)?;
        }
        Ok(is_available)
    }

    /// Give it back: whoever reserved or bought it does not want it.
    #[handler(public = false)]
    async fn release(ctx: &ObjectContext) {
        ctx.clear(STATUS);
    }

    /// It has been paid for.
    #[handler(public = false)]
    async fn mark_as_sold(ctx: &ObjectContext) -> Result<(), Failure> {
        ctx.set(STATUS, &Status::Sold)
    }

    /// Where it is.
    #[handler(shared)]
    async fn get(ctx: &SharedObjectContext) -> Result<Status, Failure> {
        status(ctx)
    }
}

const STATUS: &str = "status";

fn status(ctx: &SharedObjectContext) -> Result<Status, Failure> {
    Ok(ctx.get(STATUS)?.unwrap_or_default())
}
