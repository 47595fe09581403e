//! The effects: requests to the payment server. They run in their own instance, and the idempotency key makes a repeated one harmless.

use relight::http;
use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the payment server listens unless the request says otherwise.
const PAYMENTS_URL: &str = "http://127.0.0.1:9900";

/// What to charge.
#[derive(Debug, Serialize, Deserialize)]
pub struct Charge {
    pub customer: String,
    pub cents: u32,
    pub card: Option<String>,
    pub payments_url: Option<String>,
}

/// What the payment server recorded.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    pub payment_id: String,
    pub cents: u32,
}

/// What to give back.
#[derive(Debug, Serialize, Deserialize)]
pub struct RefundPayment {
    pub payment_id: String,
    pub payments_url: Option<String>,
}

/// Charge a card.
#[effect(
    retry(max_attempts = 20, initial_interval = "200ms", factor = 2.0, max_interval = "5s"),
    timeout = "30s"
)]
pub async fn charge(request: Charge) -> Result<Payment, EffectError> {
    let base = request.payments_url.as_deref().unwrap_or(PAYMENTS_URL);
    let response = http::post(format!("{base}/charge"))
        .header("idempotency-key", effect_idempotency_key())
        .json(&request)
        .send()
        .await?;
    if response.status == 402 {
        return Err(EffectError::terminal(402, "the card was declined"));
    }
    Ok(response.error_for_status()?.json()?)
}

/// Give the money back.
#[effect(
    retry(max_attempts = 20, initial_interval = "200ms", factor = 2.0, max_interval = "5s"),
    timeout = "30s"
)]
pub async fn refund_payment(request: RefundPayment) -> Result<(), EffectError> {
    let RefundPayment { payment_id, payments_url } = request;
    let base = payments_url.as_deref().unwrap_or(PAYMENTS_URL);
    let response = http::post(format!("{base}/payments/{payment_id}/refund"))
        .header("idempotency-key", effect_idempotency_key())
        .send()
        .await?;
    if response.status == 404 {
        return Err(EffectError::terminal(404, format!("there is no payment `{payment_id}`")));
    }
    response.error_for_status()?;
    Ok(())
}
