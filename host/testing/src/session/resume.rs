//! Resuming, also on the latest deployment: like a server, only when the journal fits there.

use std::sync::Arc;

use relight_core::{
    Command, Deployment,
    command::Onto,
    tables::{Invocation, ReadTablesExt as _},
};
use relight_executor::{Recorded, Verdict};

use super::{Result, Session, StepError};
use crate::steps::{OnDeployment, Resume};

impl Session {
    pub(super) fn resume(&mut self, step: &Resume) -> Result {
        let row = self.invocation(&step.resume)?;
        let onto = match step.deployment {
            OnDeployment::Keep => None,
            OnDeployment::Latest => self.onto_latest(&row)?,
        };
        self.ask(|request| Command::Resume { request, id: row.id, onto })
    }

    fn onto_latest(&self, row: &Invocation) -> Result<Option<Onto>> {
        let tables = &self.world.tables;
        let latest = tables.service(&row.target.service)?.map(|service| service.deployment);
        // One that was not started yet takes the latest by itself.
        let (Some(latest), Some(_)) = (latest, row.deployment.filter(|id| Some(*id) != latest)) else {
            return Ok(None);
        };
        let deployment = tables.deployment(latest)?;
        let deployment = deployment.ok_or_else(|| StepError::failed(format!("`{latest}` is gone")))?;
        self.verify(row, deployment)?;
        Ok(Some(Onto { deployment: latest, incarnation: row.incarnation, items: row.journal.items }))
    }

    fn verify(&self, row: &Invocation, deployment: Arc<Deployment>) -> Result<()> {
        let recorded = Recorded {
            id: row.id,
            incarnation: row.incarnation,
            target: row.target.clone(),
            kind: row.kind,
            mode: row.mode,
            idempotency_key: row.idempotency_key.clone(),
            invoked_by: row.invoked_by,
            created_at: row.created_at,
            started_at: row.started_at.unwrap_or(row.created_at),
            restarted: row.restarted.clone(),
            abort_timeout: row.policies.abort_timeout,
            journal: self.world.tables.journal(row.id)?,
        };
        let executor = &self.engine.executor;
        let verdict = self.engine.block_on(async {
            let candidate = executor.candidate(deployment).await?;
            executor.replay(&candidate, recorded, None).await
        });
        let reason = match verdict {
            Ok(Verdict::Compatible { .. }) => return Ok(()),
            Ok(Verdict::Diverges(divergence)) => divergence.message,
            Ok(Verdict::Fails { index, message }) => format!("it fails before entry {index}: {message}"),
            Err(error) => error.to_string(),
        };
        let message = format!("`{}` cannot go on with the latest deployment: {reason}", row.target);
        Err(StepError::failed(message))
    }
}
