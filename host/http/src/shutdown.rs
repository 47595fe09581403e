//! One signal for everything that has to stop together.

use std::time::Duration;

use tokio::sync::watch;

/// The time that requests in flight have to finish once a shutdown has begun.
pub const DRAIN: Duration = Duration::from_secs(5);

/// How long before the end of the drain those who wait for a result are told so, to leave time for the answer.
const FAREWELL: Duration = Duration::from_millis(500);

/// Begins the shutdown; dropping it does so as well.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

/// Tells whether a shutdown has begun.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

pub fn shutdown() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownTrigger(sender), Shutdown(receiver))
}

impl ShutdownTrigger {
    pub fn start(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    pub fn is_started(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns once a shutdown has begun.
    pub async fn started(&self) {
        // An error means that the trigger is gone, which counts as a start.
        let _ = self.0.clone().wait_for(|started| *started).await;
    }

    /// Returns once the drain is so close to its end that whoever waits must be answered now.
    pub async fn closing(&self) {
        self.started().await;
        tokio::time::sleep(DRAIN - FAREWELL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn start_is_seen_by_those_who_wait_and_by_those_who_come_later() {
        let (trigger, shutdown) = shutdown();
        assert!(!shutdown.is_started());
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.started().await }
        });
        trigger.start();
        waiting.await.expect("the task does not panic");
        shutdown.started().await;
        assert!(shutdown.is_started());
    }

    #[tokio::test]
    async fn a_dropped_trigger_is_a_start() {
        let (trigger, shutdown) = shutdown();
        drop(trigger);
        shutdown.started().await;
        assert!(shutdown.is_started());
    }
}
