//! Mail to customers. A real one would use an effect; this one writes to the log.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to tell a customer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Confirmation {
    pub customer: String,
    pub tickets: Vec<String>,
}

/// Mail to customers.
#[service]
impl Mail {
    /// The tickets are bought.
    #[handler(public = false)]
    async fn confirm(_ctx: &Context, confirmation: Confirmation) {
        let Confirmation { customer, tickets } = confirmation;
        relight::info!("to {customer}: your tickets {}", tickets.join(", "));
    }
}
