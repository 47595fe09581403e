//! How admin talks to partitions: it repeats a command whose fate is unknown, for a bounded time and with the same
//! request id.

use std::time::Duration;

use relight_core::{Answer, Command, InvocationId, RequestId, ids::PartitionId};
use relight_partition::{DoorError, PartitionHandle};
use tokio::time::Instant;

use crate::{Admin, error::Result};

/// Far below the time for which `apply` remembers answers.
const RETRY_MAX: Duration = Duration::from_secs(15);
const RETRY_PAUSE: Duration = Duration::from_millis(20);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

impl Admin {
    /// Identity of a new command to `partition`.
    pub(crate) fn request_id(&self, partition: &PartitionHandle) -> RequestId {
        RequestId::new(partition.mint_at(self.now()).0, rand::random())
    }

    pub(crate) fn partition_of(&self, id: InvocationId) -> &PartitionHandle {
        self.inner.partitions.of(id.key)
    }

    /// The partition where deployments are activated.
    pub(crate) fn registry(&self) -> &PartitionHandle {
        self.inner.partitions.get(PartitionId(0))
    }
}

pub(crate) async fn propose(partition: &PartitionHandle, command: &Command) -> Result<Answer> {
    let deadline = Instant::now() + RETRY_MAX;
    let mut pause = RETRY_PAUSE;
    let mut unknown = false;
    loop {
        let error = match partition.command(command.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        unknown |= error == DoorError::Unknown;
        let retry = matches!(error, DoorError::Unknown | DoorError::NoLeader);
        if !retry || Instant::now() + pause > deadline {
            return Err(if unknown { DoorError::Unknown } else { error }.into());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_PAUSE_MAX);
    }
}
