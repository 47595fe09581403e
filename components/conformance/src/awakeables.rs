//! Promises with a public id.

use relight::prelude::*;

/// One awakeable per key.
#[virtual_object]
impl Awakeables {
    /// Make an awakeable, publish its id, and wait for its value. A rejection is the handler's failure.
    #[handler]
    async fn wait(ctx: &ObjectContext) -> Result<String, Failure> {
        let (id, value) = ctx.awakeable::<String>();
        ctx.set("id", &id)?;
        value.await
    }

    /// The id of the awakeable that is waiting, or was.
    #[handler(shared)]
    async fn id(ctx: &SharedObjectContext) -> Result<Option<AwakeableId>, Failure> {
        ctx.get("id")
    }

    /// Resolve any awakeable.
    #[handler(shared)]
    async fn resolve(ctx: &SharedObjectContext, (id, value): (AwakeableId, String)) {
        ctx.resolve_awakeable(id, &value);
    }

    /// Reject any awakeable.
    #[handler(shared)]
    async fn reject(ctx: &SharedObjectContext, (id, reason): (AwakeableId, String)) {
        ctx.reject_awakeable(id, Failure::new(422, reason));
    }

    /// A handler may resolve its own; the first value stays.
    #[handler]
    async fn first_value_stays(ctx: &ObjectContext) -> Result<(), Failure> {
        let (id, value) = ctx.awakeable::<u32>();
        ctx.resolve_awakeable(&id, &1);
        ctx.resolve_awakeable(&id, &2);
        ctx.reject_awakeable(&id, "too late");
        assert_eq!(value.await?, 1);
        Ok(())
    }

    /// Two awakeables have two ids.
    #[handler]
    async fn ids_differ(ctx: &ObjectContext) {
        let (first, _value) = ctx.awakeable::<u32>();
        let (second, _value) = ctx.awakeable::<u32>();
        assert_ne!(first, second);
        assert!(first.as_str().starts_with("sign_1"), "{first}");
    }

    /// Waits for an awakeable, but not longer than so many milliseconds; none when time is up.
    #[handler]
    async fn wait_with_timeout(ctx: &ObjectContext, timeout_ms: u64) -> Result<Option<String>, Failure> {
        let (id, value) = ctx.awakeable::<String>();
        ctx.set("id", &id)?;
        match select(value, ctx.sleep(millis(timeout_ms))).await {
            (Either::Left(value), _) => value.map(Some),
            (Either::Right(timer), _) => timer.map(|()| None),
        }
    }
}
