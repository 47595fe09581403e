//! The effects: requests to a ledger, which remembers every one.

use relight::http;
use relight::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub struct ChargeRequest {
    pub ledger: String,
    pub payment: String,
    /// Attempts that fail after their request.
    pub failures: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ConfirmRequest {
    pub ledger: String,
    pub payment: String,
}

/// Charge a payment; gives the ledger's receipt.
#[effect(retry(initial_interval = "20ms", factor = 1.5, max_interval = "500ms"))]
pub async fn charge(request: ChargeRequest) -> Result<String, EffectError> {
    let receipt = post(&request.ledger, "charge", &request.payment).await?;
    match effect_attempt() {
        attempt if attempt <= request.failures => {
            Err(EffectError::retryable(format!("attempt {attempt} of {} fails", request.payment)))
        }
        _ => Ok(receipt),
    }
}

/// Charge a payment in an inline run. How often it was tried is known to the ledger alone.
pub fn charge_now(ledger: &str, payment: &str, failures: u32) -> Result<String, RunError> {
    let response = http::post(format!("{ledger}/charge"))
        .header("idempotency-key", format!("inline {payment}"))
        .body(payment)
        .fetch()?
        .error_for_status()?;
    let charges: u32 = response.headers.get("charges").and_then(|count| count.parse().ok()).unwrap_or(0);
    if charges <= failures {
        return Err(RunError::retryable(format!("charge {charges} of {payment} fails")));
    }
    Ok(response.text())
}

/// Tell the ledger that a payment's charge is over.
#[effect(retry(initial_interval = "20ms", factor = 1.5, max_interval = "500ms"))]
pub async fn confirm(request: ConfirmRequest) -> Result<String, EffectError> {
    post(&request.ledger, "confirm", &request.payment).await
}

/// `POST LEDGER/ACTION` with the payment's id as the body.
async fn post(ledger: &str, action: &str, payment: &str) -> Result<String, EffectError> {
    let response = http::post(format!("{ledger}/{action}"))
        .header("idempotency-key", effect_idempotency_key())
        .body(payment)
        .send()
        .await?;
    Ok(response.error_for_status()?.text())
}
