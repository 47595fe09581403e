//! Durable timers and the time of an invocation.

use relight::prelude::*;

/// Sleeps.
#[service]
impl Timers {
    /// Sleep for so many milliseconds; give how long it took by the invocation's own time.
    #[handler]
    async fn sleep(ctx: &Context, delay_ms: u64) -> Result<u64, Failure> {
        let start = ctx.now();
        ctx.sleep(millis(delay_ms)).await?;
        let slept = ctx.now().duration_since(start);
        assert!(slept >= millis(delay_ms), "woken after {slept:?}, too early");
        Ok(slept.as_millis() as u64)
    }

    /// A timer in the past completes at once.
    #[handler]
    async fn timer_in_the_past_is_due(ctx: &Context) -> Result<(), Failure> {
        ctx.sleep_until(Timestamp::from_millis(1)).await?;
        ctx.sleep(millis(0)).await
    }

    /// Of two timers the shorter one completes first, whichever was started first.
    #[handler]
    async fn shorter_timer_wins(ctx: &Context) -> Result<(), Failure> {
        let long = ctx.sleep(millis(300));
        let short = ctx.sleep(millis(30));
        match select(long, short).await {
            (Either::Right(short), Either::Left(long)) => {
                short?;
                long.await
            }
            other => panic!("the long timer won: {other:?}"),
        }
    }

    /// Many timers at once are one wait.
    #[handler]
    async fn sleep_in_parallel(ctx: &Context, (count, delay_ms): (u32, u64)) -> Result<(), Failure> {
        ctx.all((0..count).map(|_| ctx.sleep(millis(delay_ms)))).await?;
        Ok(())
    }

    /// Time does not run backwards, and does not move by itself.
    #[handler]
    async fn time_is_monotonic(ctx: &Context) -> Result<(), Failure> {
        let mut last = ctx.now();
        for _ in 0..5 {
            assert_eq!(ctx.now(), ctx.now());
            ctx.sleep(millis(5)).await?;
            let now = ctx.now();
            assert!(last + millis(5) <= now, "{last} to {now}");
            last = now;
        }
        Ok(())
    }
}
