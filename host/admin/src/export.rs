//! `GET /invocations/{id}/bundle`: one invocation as a file.

use bytes::Bytes;
use hyper::StatusCode;
use relight_core::InvocationId;
use relight_http::time::format_instant;

use crate::{
    Admin,
    bundle::{Bundle, Component, FORMAT, Invocation, VERSION, items},
    codes::Code,
    detail::unknown,
    error::{Error, Result},
};

impl Admin {
    /// JSON with line breaks: people read it, and compare two of them.
    pub(crate) async fn bundle(&self, id: InvocationId) -> Result<Bytes> {
        let mut record = self.record(id).await?.ok_or_else(|| unknown(id))?;
        if record.journal.is_empty() {
            let message = format!("the journal of invocation `{id}` is no longer kept");
            return Err(Error::new(StatusCode::GONE, Code::JournalGone, message));
        }
        let component = match record.invocation.deployment {
            Some(deployment) => {
                let deployment = self.find_deployment(deployment)?;
                Some(Component {
                    digest: deployment.digest.to_string(),
                    deployment_id: deployment.id.to_string(),
                    sdk: deployment.sdk.clone(),
                    memory_max: deployment.memory_bytes_max,
                    env: deployment.env.iter().cloned().collect(),
                })
            }
            None => None,
        };
        let recorded = record.recorded();
        let bundle = Bundle {
            format: FORMAT.to_owned(),
            version: VERSION,
            exported_at: format_instant(self.now().0),
            relight_version: self.inner.version.to_owned(),
            component,
            invocation: Invocation::new(&recorded, record.invocation.status.name()),
            journal: items(&recorded.journal),
        };
        let mut json = serde_json::to_vec_pretty(&bundle)
            .map_err(|error| Error::internal(format!("failed to write a bundle: {error}")))?;
        json.push(b'\n');
        Ok(json.into())
    }
}
