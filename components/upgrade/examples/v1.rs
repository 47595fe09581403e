//! The first version: what invocations have recorded when the second comes.

use relight::prelude::*;

#[effect]
async fn charge(amount: u32) -> String {
    upgrade::receipt(amount)
}

/// Orders. Every handler that waits does so for an awakeable whose id is in the state.
#[virtual_object]
impl Orders {
    /// Fits the second version, which does more after the wait.
    #[handler]
    async fn place(ctx: &ObjectContext, amount: u32) -> Result<String, Failure> {
        let count = ctx.get::<u32>("count")?.unwrap_or(0);
        let receipt = ctx.effect(charge(amount)).await?;
        ctx.set("count", &(count + 1))?;
        relight::info!("charged {amount}");
        let address = wait(ctx).await?;
        Ok(format!("v1: {receipt} to {address}"))
    }

    /// Sleeps, where the second version charges.
    #[handler]
    async fn remind(ctx: &ObjectContext) -> Result<(), Failure> {
        ctx.sleep(hours(1)).await
    }

    /// Charges, where the second version charges more.
    #[handler]
    async fn bill(ctx: &ObjectContext, amount: u32) -> Result<String, Failure> {
        ctx.effect(charge(amount)).await?;
        wait(ctx).await
    }

    /// The second version does not have it.
    #[handler]
    async fn forget(ctx: &ObjectContext) -> Result<String, Failure> {
        wait(ctx).await
    }

    /// The second version takes no lock for it.
    #[handler]
    async fn review(ctx: &ObjectContext) -> Result<String, Failure> {
        wait(ctx).await
    }

    /// The second version fails before it does anything.
    #[handler]
    async fn inspect(ctx: &ObjectContext) -> Result<String, Failure> {
        wait(ctx).await
    }

    /// The second version returns at once.
    #[handler]
    async fn hurry(ctx: &ObjectContext) -> Result<String, Failure> {
        wait(ctx).await
    }

    /// Fits the second version also when it is over.
    #[handler]
    async fn note(ctx: &ObjectContext, text: String) -> Result<String, Failure> {
        ctx.set("note", &text)?;
        Ok(text)
    }

    /// The second version gives another result.
    #[handler]
    async fn shout(_ctx: &ObjectContext, text: String) -> String {
        text
    }

    /// What is waited for.
    #[handler(shared)]
    async fn id(ctx: &SharedObjectContext) -> Result<Option<AwakeableId>, Failure> {
        ctx.get("id")
    }
}

async fn wait(ctx: &ObjectContext) -> Result<String, Failure> {
    let (id, value) = ctx.awakeable::<String>();
    ctx.set("id", &id)?;
    value.await
}

relight::export!(Orders; effects: charge);
