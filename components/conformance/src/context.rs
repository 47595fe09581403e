//! Facts about the invocation, and what is the same on replay.

use relight::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::effects::unbound_echo;

/// What an invocation knows about itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Info {
    pub id: InvocationId,
    pub service: String,
    pub key: Option<String>,
    pub handler: String,
    pub headers: Vec<(String, String)>,
    pub caller: Option<InvocationId>,
    pub idempotency_key: Option<String>,
}

/// Everything that must not change on replay.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stream {
    pub id: InvocationId,
    pub now: Timestamp,
    pub uuid: String,
    pub random: [u64; 4],
    pub hash_order: Vec<u32>,
}

/// Facts.
#[service]
impl Facts {
    /// What this invocation knows about itself.
    #[handler]
    async fn info(ctx: &Context) -> Info {
        let target = ctx.target();
        Info {
            id: ctx.invocation_id(),
            service: target.service,
            key: target.key,
            handler: target.handler,
            headers: ctx.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            caller: ctx.caller(),
            idempotency_key: ctx.idempotency_key(),
        }
    }

    /// Time, chance, ids and the order of hashed collections are the same after a replay: an effect records them on the first pass, and
    /// a later pass compares what it computes with what is recorded. Gives the last of them.
    #[handler]
    async fn replay_sees_the_same(ctx: &Context) -> Result<Stream, Failure> {
        let stream = stream(ctx);
        let text = serde_json_text(&stream);
        let recorded = ctx.effect(unbound_echo(text.clone())).await?;
        assert_eq!(recorded, text);
        ctx.sleep(millis(20)).await?;
        let later = stream_after(ctx, &stream);
        let later_text = serde_json_text(&later);
        let recorded = ctx.effect(unbound_echo(later_text.clone())).await?;
        assert_eq!(recorded, later_text);
        // So that the second pair is replayed, too.
        ctx.sleep(millis(20)).await?;
        Ok(later)
    }

    /// A UUID is one of version 4, and the next one is another.
    #[handler]
    async fn uuids_are_version_4(ctx: &Context) {
        let (first, second) = (ctx.uuid(), ctx.uuid());
        assert_ne!(first, second);
        let bytes = first.as_bytes();
        assert_eq!(bytes.len(), 36, "{first}");
        assert_eq!(bytes[14], b'4', "{first}");
        assert!(b"89ab".contains(&bytes[19]), "{first}");
    }

    /// Random bytes come in the length that was asked for.
    #[handler]
    async fn random_has_the_length_asked_for(ctx: &Context) {
        for len in [0, 1, 31, 65_536] {
            assert_eq!(ctx.random_bytes(len).len(), len as usize);
        }
        let fraction: f64 = ctx.random();
        assert!((0.0..1.0).contains(&fraction), "{fraction}");
    }

    /// A line on every level, before and after a wait: each is logged once.
    #[handler]
    async fn logs(ctx: &Context) -> Result<(), Failure> {
        relight::trace!("conformance trace");
        relight::debug!("conformance debug");
        relight::info!("conformance info");
        ctx.sleep(millis(20)).await?;
        relight::warn!("conformance warn");
        relight::log(relight::Level::Error, "conformance error", &[("field", "value")]);
        Ok(())
    }
}

fn stream(ctx: &Context) -> Stream {
    let order: std::collections::HashSet<u32> = (0..20).collect();
    Stream {
        id: ctx.invocation_id(),
        now: ctx.now(),
        uuid: ctx.uuid(),
        random: std::array::from_fn(|_| ctx.random()),
        hash_order: order.into_iter().collect(),
    }
}

fn stream_after(ctx: &Context, before: &Stream) -> Stream {
    let after = stream(ctx);
    assert!(before.now <= after.now);
    assert_ne!(before.uuid, after.uuid);
    assert_ne!(before.random, after.random);
    after
}

fn serde_json_text(stream: &Stream) -> String {
    serde_json::to_string(stream).expect("plain data can be written as JSON")
}
