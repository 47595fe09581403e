//! One sign-up. Its key is the user's name: a workflow runs once per key, so nobody can sign up twice.

use std::time::Duration;

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mail::{Letter, MailClient};

/// How long to wait for the confirmation before each reminder, and after the last.
const PATIENCE: Duration = days(2);

/// How often to remind.
const REMINDERS: u32 = 2;

/// The input of `Signup/run`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Form {
    pub email: String,
    /// Wait for so long instead of two days.
    pub patience_seconds: Option<u64>,
}

/// How a sign-up stands.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody has signed up under this name.
    Unknown,
    Waiting,
    Confirmed,
    /// Nobody confirmed in time.
    Expired,
}

/// The sign-up of one user.
#[workflow]
impl Signup {
    /// Sign up: ask for a confirmation by mail and wait for it, for days if need be. True when it came.
    #[run]
    async fn run(ctx: &WorkflowContext, form: Form) -> Result<bool, Failure> {
        let patience = form.patience_seconds.map_or(PATIENCE, seconds);
        // In a run chance is live, so nobody who knows the invocation can guess the code. It is recorded: every replay has the same.
        let code = ctx.run("code", || Ok(ctx.uuid())).await?;
        ctx.set(CODE, &code)?;
        ctx.set(STATUS, &Status::Waiting)?;
        write_to(ctx, &form.email, format!("confirm your sign-up with {code}"));

        let mut confirmed = ctx.promise::<()>(CONFIRMED).into_future();
        for reminder in 0..=REMINDERS {
            match select(&mut confirmed, ctx.sleep(patience)).await {
                (Either::Left(confirmation), _) => {
                    confirmation?;
                    ctx.set(STATUS, &Status::Confirmed)?;
                    write_to(ctx, &form.email, format!("welcome, {}", ctx.key()));
                    return Ok(true);
                }
                (Either::Right(timer), _) => timer?,
            }
            if reminder < REMINDERS {
                write_to(ctx, &form.email, format!("please remember to confirm with {code}"));
            }
        }
        ctx.set(STATUS, &Status::Expired)?;
        Ok(false)
    }

    /// Confirm, with the code of the mail.
    #[handler]
    async fn confirm(ctx: &SharedWorkflowContext, code: String) -> Result<(), Failure> {
        match ctx.get::<String>(CODE)? {
            None => Err(Failure::new(404, "nobody has signed up under this name")),
            Some(expected) if expected != code => Err(Failure::new(403, "this is not the code of the mail")),
            // A failure 409 for whoever confirms once more.
            Some(_) => ctx.resolve_promise(CONFIRMED, &()).await,
        }
    }

    /// How it stands.
    #[handler]
    async fn status(ctx: &SharedWorkflowContext) -> Result<Status, Failure> {
        Ok(ctx.get(STATUS)?.unwrap_or(Status::Unknown))
    }
}

/// The promise that the run waits for.
const CONFIRMED: &str = "confirmed";
const CODE: &str = "code";
const STATUS: &str = "status";

fn write_to(ctx: &Context, email: &str, text: String) {
    ctx.service::<MailClient>().send_letter(Letter { to: email.to_owned(), text }).send();
}
