//! Counters: a sum per key, and every addition under its name.

use std::collections::BTreeMap;

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interpreter;
use crate::program::{Answer, Program};

const SUM: &str = "sum";
/// The addition that has begun and not ended, while its handler sleeps in between.
const BUSY: &str = "busy";
/// Before the names of additions.
const OP: &str = "op/";

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Increment {
    pub op: String,
    pub amount: i64,
}

/// What a counter holds.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    pub sum: i64,
    /// By the name of the addition: what it has added, in all.
    pub ops: BTreeMap<String, i64>,
}

/// A sum.
#[virtual_object(idempotency_retention = "1h", journal_retention = "10m")]
impl Counter {
    /// Add, and give the new sum.
    #[handler]
    async fn add(ctx: &ObjectContext, increment: Increment) -> Result<i64, Failure> {
        increase(ctx, &increment)
    }

    /// Run a program with the lock of this key.
    #[handler]
    async fn run(ctx: &ObjectContext, program: Program) -> Result<Answer, Failure> {
        interpreter::run(ctx, Some(ctx), program).await
    }

    /// The sum, and what it is made of.
    #[handler(shared)]
    async fn report(ctx: &SharedObjectContext) -> Result<Report, Failure> {
        let mut ops = BTreeMap::new();
        for key in ctx.keys() {
            if let Some(op) = key.strip_prefix(OP) {
                ops.insert(op.to_owned(), ctx.get(&key)?.unwrap_or(0));
            }
        }
        Ok(Report { sum: ctx.get(SUM)?.unwrap_or(0), ops })
    }
}

/// Adds at once.
fn increase(ctx: &ObjectContext, increment: &Increment) -> Result<i64, Failure> {
    // Only a second exclusive handler of the same key can see it.
    if let Some(other) = ctx.get::<String>(BUSY)? {
        return Err(Failure::new(500, format!("`{}` overlaps with `{other}`", increment.op)));
    }
    let sum = ctx.get::<i64>(SUM)?.unwrap_or(0) + increment.amount;
    ctx.set(SUM, &sum)?;
    // A name that comes twice counts twice.
    let op = format!("{OP}{}", increment.op);
    let added = ctx.get::<i64>(&op)?.unwrap_or(0) + increment.amount;
    ctx.set(&op, &added)?;
    Ok(sum)
}

/// Adds after a pause in which nobody else may touch this key.
pub async fn increase_slowly(
    ctx: &ObjectContext,
    increment: Increment,
    pause_ms: u64,
) -> Result<i64, Failure> {
    if let Some(other) = ctx.get::<String>(BUSY)? {
        return Err(Failure::new(500, format!("`{}` overlaps with `{other}`", increment.op)));
    }
    ctx.set(BUSY, &increment.op)?;
    let before = ctx.get::<i64>(SUM)?;
    ctx.sleep(millis(pause_ms)).await?;
    let after = ctx.get::<i64>(SUM)?;
    if before != after {
        return Err(Failure::new(
            500,
            format!("the sum went from {before:?} to {after:?} during `{}`", increment.op),
        ));
    }
    ctx.clear(BUSY);
    increase(ctx, &increment)
}
