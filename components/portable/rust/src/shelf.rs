//! The virtual object: values by key.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The input of `Shelf/put`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Put {
    pub name: String,
    pub value: String,
}

/// Values by key.
#[virtual_object]
impl Shelf {
    /// Add to the count and give the new one; what would make it negative is refused.
    #[handler]
    async fn add(ctx: &ObjectContext, amount: i64) -> Result<i64, Failure> {
        let count = ctx.get::<i64>("count")?.unwrap_or(0) + amount;
        if count < 0 {
            return Err(Failure::new(422, "the count would be negative")
                .with_metadata("count", count.to_string())
                .with_metadata("shelf", ctx.key()));
        }
        ctx.set("count", &count)?;
        Ok(count)
    }

    /// Set one value.
    #[handler]
    async fn put(ctx: &ObjectContext, put: Put) -> Result<(), Failure> {
        ctx.set(&put.name, &put.value)
    }

    /// Read one value.
    #[handler(shared)]
    async fn read(ctx: &SharedObjectContext, name: String) -> Result<Option<String>, Failure> {
        ctx.get(&name)
    }

    /// The names of all values.
    #[handler(shared)]
    async fn names(ctx: &SharedObjectContext) -> Vec<String> {
        ctx.keys()
    }

    /// Remove one value.
    #[handler]
    async fn drop(ctx: &ObjectContext, name: String) {
        ctx.clear(&name);
    }

    /// Remove all values.
    #[handler]
    async fn empty(ctx: &ObjectContext) {
        ctx.clear_all();
    }

    /// A handler sees what it has written itself, and reads that without an entry.
    #[handler]
    async fn own_writes(ctx: &ObjectContext) -> Result<OwnWrites, Failure> {
        let before = ctx.get("a")?;
        ctx.set("b", &2)?;
        ctx.set("a", &1)?;
        let written = ctx.get("a")?;
        ctx.clear("a");
        let cleared = ctx.get("a")?;
        ctx.clear_all();
        let all_cleared = ctx.get("b")?;
        Ok(OwnWrites(before, written, cleared, all_cleared, ctx.keys()))
    }

    /// Wait for an awakeable whose id is in the state.
    #[handler]
    async fn hold(ctx: &ObjectContext) -> Result<String, Failure> {
        let (id, value) = ctx.awakeable::<String>();
        ctx.set("awakeable", &id)?;
        value.await
    }
}

/// What `own_writes` has read, in order.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct OwnWrites(Option<i64>, Option<i64>, Option<i64>, Option<i64>, Vec<String>);
