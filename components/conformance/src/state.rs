//! State of a key.

use relight::prelude::*;

/// Values of one key.
#[virtual_object]
impl State {
    /// Set one value.
    #[handler]
    async fn set(ctx: &ObjectContext, (name, value): (String, i64)) -> Result<(), Failure> {
        ctx.set(&name, &value)
    }

    /// Read one value, beside an exclusive handler if there is one.
    #[handler(shared)]
    async fn get(ctx: &SharedObjectContext, name: String) -> Result<Option<i64>, Failure> {
        ctx.get(&name)
    }

    /// All names, beside an exclusive handler if there is one.
    #[handler(shared)]
    async fn names(ctx: &SharedObjectContext) -> Vec<String> {
        ctx.keys()
    }

    /// Remove one value.
    #[handler]
    async fn clear(ctx: &ObjectContext, name: String) {
        ctx.clear(&name);
    }

    /// Remove all values.
    #[handler]
    async fn clear_all(ctx: &ObjectContext) {
        ctx.clear_all();
    }

    /// A handler sees its own writes, in every order of set, clear, clear-all and keys. Needs a key without state.
    #[handler]
    async fn own_writes_are_visible(ctx: &ObjectContext) -> Result<(), Failure> {
        assert_eq!(ctx.get::<i64>("a")?, None);
        assert_eq!(ctx.keys(), [""; 0]);
        ctx.set("b", &2)?;
        ctx.set("a", &1)?;
        assert_eq!(ctx.get::<i64>("a")?, Some(1));
        assert_eq!(ctx.keys(), ["a", "b"]);
        ctx.set("a", &3)?;
        assert_eq!(ctx.get::<i64>("a")?, Some(3));
        ctx.clear("a");
        assert_eq!(ctx.get::<i64>("a")?, None);
        assert_eq!(ctx.keys(), ["b"]);
        ctx.clear_all();
        assert_eq!(ctx.get::<i64>("b")?, None);
        assert_eq!(ctx.keys(), [""; 0]);
        Ok(())
    }

    /// What was read before a wait is read again after it, and own writes stay visible across it.
    #[handler]
    async fn state_survives_a_wait(ctx: &ObjectContext) -> Result<i64, Failure> {
        let before = ctx.get::<i64>("n")?.unwrap_or(0);
        ctx.set("n", &(before + 1))?;
        ctx.sleep(millis(20)).await?;
        let after = ctx.get::<i64>("n")?.expect("it was set above");
        assert_eq!(after, before + 1);
        ctx.set("n", &(after + 1))?;
        Ok(after + 1)
    }

    /// State that was written before a terminal failure stays.
    #[handler]
    async fn set_then_fail(ctx: &ObjectContext, value: i64) -> Result<(), Failure> {
        ctx.set("n", &value)?;
        Err(Failure::new(409, "failed after writing"))
    }

    /// An empty value is a value.
    #[handler]
    async fn empty_value_is_a_value(ctx: &ObjectContext) {
        relight::bindings::relight::handler::state::set("empty", b"");
        assert_eq!(relight::bindings::relight::handler::state::get("empty"), Some(Vec::new()));
        assert_eq!(ctx.keys(), ["empty"]);
        ctx.clear("empty");
    }
}
