//! The second version: what it does otherwise than the first is said there.

use relight::prelude::*;

#[effect]
async fn charge(amount: u32) -> String {
    upgrade::receipt(amount)
}

#[virtual_object]
impl Orders {
    #[handler]
    async fn place(ctx: &ObjectContext, amount: u32) -> Result<String, Failure> {
        let count = ctx.get::<u32>("count")?.unwrap_or(0);
        let receipt = ctx.effect(charge(amount)).await?;
        ctx.set("count", &(count + 1))?;
        relight::info!("charged {amount}");
        let address = wait(ctx).await?;
        let label = ctx.run("label", || Ok(address.to_uppercase())).await?;
        Ok(format!("v2: {receipt} to {label}"))
    }

    #[handler]
    async fn remind(ctx: &ObjectContext) -> Result<(), Failure> {
        ctx.effect(charge(1)).await?;
        ctx.sleep(hours(1)).await
    }

    #[handler]
    async fn bill(ctx: &ObjectContext, amount: u32) -> Result<String, Failure> {
        ctx.effect(charge(amount + 1)).await?;
        wait(ctx).await
    }

    #[handler(shared)]
    async fn review(_ctx: &SharedObjectContext) -> String {
        "reviewed".to_owned()
    }

    #[handler]
    async fn inspect(_ctx: &ObjectContext) -> String {
        panic!("nobody inspects any more")
    }

    #[handler]
    async fn hurry(_ctx: &ObjectContext) -> String {
        "done".to_owned()
    }

    #[handler]
    async fn note(ctx: &ObjectContext, text: String) -> Result<String, Failure> {
        ctx.set("note", &text)?;
        Ok(text)
    }

    #[handler]
    async fn shout(_ctx: &ObjectContext, text: String) -> String {
        text.to_uppercase()
    }

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
