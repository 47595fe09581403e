//! The smallest service and the smallest virtual object. How to run it: see `../README.md`.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who is to be greeted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct GreetRequest {
    /// A name.
    pub name: String,
}

/// The answer of `Greeter/greet`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Greeting {
    /// The greeting.
    pub message: String,
    /// How often this name has been greeted.
    pub visit: i64,
}

/// Greets people, and remembers how often.
#[service]
impl Greeter {
    /// Greet somebody.
    #[handler]
    async fn greet(ctx: &Context, request: GreetRequest) -> Result<Greeting, Failure> {
        let name = request.name.trim();
        if name.is_empty() {
            return Err(Failure::new(400, "nobody to greet: `name` is empty"));
        }
        let visit = ctx.object::<CounterClient>(name).add(1).await?;
        Ok(Greeting { message: format!("Hello, {name}!"), visit })
    }
}

/// A number per key.
#[virtual_object]
impl Counter {
    /// Add to the counter and return its new value.
    #[handler]
    async fn add(ctx: &ObjectContext, amount: i64) -> Result<i64, Failure> {
        let value = ctx.get::<i64>("value")?.unwrap_or(0);
        let value = value.checked_add(amount).ok_or_else(|| Failure::new(422, "the counter is full"))?;
        ctx.set("value", &value)?;
        Ok(value)
    }

    /// The counter's value.
    #[handler(shared)]
    async fn get(ctx: &SharedObjectContext) -> Result<i64, Failure> {
        Ok(ctx.get("value")?.unwrap_or(0))
    }
}

relight::export!(Greeter, Counter);
