//! Effects: side effects that run in their own instance with live I/O, and whose result is recorded.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::host::ops;
use crate::operation::Operation;
use crate::retry::RetryPolicy;
use crate::time::to_millis;

/// An effect with its arguments, as the function marked `#[effect]` gives it. [`Context::effect`](crate::Context::effect) starts it.
#[must_use = "the effect runs when it is passed to `ctx.effect`"]
pub struct EffectRequest<T> {
    name: &'static str,
    input: Vec<u8>,
    timeout: Option<Duration>,
    retry: Option<RetryPolicy>,
    yields: PhantomData<fn() -> T>,
}

impl<T> EffectRequest<T> {
    #[doc(hidden)]
    pub fn new(name: &'static str, input: Vec<u8>) -> Self {
        Self { name, input, timeout: None, retry: None, yields: PhantomData }
    }

    /// Bound each attempt; overrides what the effect declares.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Retry by this policy; overrides what the effect declares.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    pub(crate) fn start(self) -> Operation<T>
    where
        T: DeserializeOwned,
    {
        let options = (self.timeout.is_some() || self.retry.is_some()).then(|| ops::EffectOptions {
            retry: self.retry.map(Into::into),
            timeout: self.timeout.map(to_millis),
        });
        let handle = ops::effect(self.name, &self.input, options);
        Operation::new(handle, "the result of an effect")
    }
}

impl<T> fmt::Debug for EffectRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EffectRequest")
            .field("name", &self.name)
            .field("input_bytes", &self.input.len())
            .finish_non_exhaustive()
    }
}

/// In an effect: a key that is the same for all its attempts and different for every other effect. Pass it to the service you call,
/// so that it can tell a repetition from a new request.
///
/// # Panics
///
/// Outside an effect.
pub fn effect_idempotency_key() -> String {
    current(|attempt| attempt.idempotency_key.clone())
}

/// In an effect: 1 for the first attempt, and so on.
///
/// # Panics
///
/// Outside an effect.
pub fn effect_attempt() -> u32 {
    current(|attempt| attempt.number)
}

/// What an effect may know about its attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) idempotency_key: String,
}

thread_local! {
    static ATTEMPT: RefCell<Option<Attempt>> = const { RefCell::new(None) };
}

/// Run `body` as an attempt of an effect.
pub(crate) fn with_attempt<R>(attempt: Attempt, body: impl FnOnce() -> R) -> R {
    ATTEMPT.set(Some(attempt));
    let result = body();
    ATTEMPT.set(None);
    result
}

fn current<R>(read: impl FnOnce(&Attempt) -> R) -> R {
    ATTEMPT.with_borrow(|attempt| match attempt {
        Some(attempt) => read(attempt),
        None => panic!("only an effect has an attempt and an idempotency key"),
    })
}
