//! Refunds, which a person approves. The key is the payment's id. Waiting two days for an answer costs nothing: no instance is kept.

use std::time::Duration;

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cart::CartClient;
use crate::payments::{RefundPayment, refund_payment};

/// How long a request waits for its approval.
const PATIENCE: Duration = days(2);

/// The input of `Refund/request`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct RefundRequest {
    /// Whose order it was.
    pub customer: String,
    /// Wait for so long instead of two days.
    pub patience_seconds: Option<u64>,
    /// As in `Cart/checkout`.
    pub payments_url: Option<String>,
}

/// What the person answers: the value that resolves the awakeable.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    pub approved: bool,
}

/// How a request ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Refunded,
    Refused,
    /// Nobody answered.
    Expired,
}

/// The refund of one payment.
#[virtual_object]
impl Refund {
    /// Ask for a refund, and wait for the answer.
    #[handler]
    async fn request(ctx: &ObjectContext, request: RefundRequest) -> Result<Outcome, Failure> {
        let (approval_id, approval) = ctx.awakeable::<Approval>();
        ctx.set(APPROVAL_ID, &approval_id)?;
        let patience = request.patience_seconds.map_or(PATIENCE, seconds);
        let (winner, _) = select(approval, ctx.sleep(patience)).await;
        ctx.clear(APPROVAL_ID);
        let approval = match winner {
            // A rejected awakeable is a failure, and so is a cancelled wait: both end the request.
            Either::Left(answer) => answer?,
            Either::Right(timer) => return timer.map(|()| Outcome::Expired),
        };
        if !approval.approved {
            return Ok(Outcome::Refused);
        }
        let payment = RefundPayment { payment_id: ctx.key().to_owned(), payments_url: request.payments_url };
        ctx.effect(refund_payment(payment)).await?;
        ctx.object::<CartClient>(request.customer).refunded(ctx.key().to_owned()).await?;
        Ok(Outcome::Refunded)
    }

    /// The id by which to resolve or reject the request that is waiting, if one is.
    #[handler(shared)]
    async fn approval_id(ctx: &SharedObjectContext) -> Result<Option<AwakeableId>, Failure> {
        ctx.get(APPROVAL_ID)
    }
}

const APPROVAL_ID: &str = "approval-id";
