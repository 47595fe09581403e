//! What touches the world. In this example nothing does: a real charge would be an HTTP request with `effect_idempotency_key()`, as in the
//! theatre.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to charge.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Charge {
    pub order: String,
    pub cents: u32,
    pub card: String,
}

/// Where to send an order.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Shipment {
    pub order: String,
    pub address: String,
}

/// Charges a card, and gives the payment's id.
#[effect(retry(max_attempts = 5, initial_interval = "200ms"), timeout = "30s")]
pub async fn charge(charge: Charge) -> Result<String, EffectError> {
    if charge.card == "declined" {
        return Err(EffectError::terminal(402, "the card was declined"));
    }
    Ok(format!("payment-{}", charge.order))
}

/// Gives back whatever was charged for an order. Tried until it works: there is nothing else to be done.
#[effect(retry(initial_interval = "1s", max_interval = "1m"), timeout = "30s")]
pub async fn refund(order: String) {
    relight::info!("refunded order {order}");
}

/// Hands an order to the carrier, and gives the parcel's id.
#[effect(retry(max_attempts = 5, initial_interval = "200ms"), timeout = "30s")]
pub async fn ship(shipment: Shipment) -> Result<String, EffectError> {
    if shipment.address == "nowhere" {
        return Err(EffectError::terminal(422, "nobody delivers there"));
    }
    Ok(format!("parcel-{}", shipment.order))
}
