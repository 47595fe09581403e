//! Gates: a handler shows an awakeable, and whoever can call the gate finds it there and resolves it.

use relight::prelude::*;

const ID: &str = "id";

/// Shows one awakeable.
#[virtual_object(idempotency_retention = "1h", journal_retention = "10m")]
impl Gate {
    /// Show this awakeable.
    #[handler]
    async fn show(ctx: &ObjectContext, id: AwakeableId) -> Result<(), Failure> {
        ctx.set(ID, &id)
    }

    /// The awakeable to resolve; none until it is shown.
    #[handler(shared)]
    async fn id(ctx: &SharedObjectContext) -> Result<Option<AwakeableId>, Failure> {
        ctx.get(ID)
    }
}
