//! The mail service. A real one would hand the letter to a mail server, in an effect.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A letter.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Letter {
    pub to: String,
    pub text: String,
}

/// Sends mail.
#[service]
impl Mail {
    /// Send a letter. It shows in the server's log.
    #[handler(public = false)]
    async fn send_letter(_ctx: &Context, letter: Letter) {
        relight::info!("mail to {}: {}", letter.to, letter.text);
    }
}
