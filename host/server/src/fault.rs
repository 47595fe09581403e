//! Ends the process at a named point of storage, for tests: `RELIGHT_FAULT=storage.after-settle:3:kill`.
//!
//! Points of the log are known to the log itself, under the same variable.

use std::{
    env,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

const VARIABLE: &str = "RELIGHT_FAULT";

struct Plan {
    point: String,
    hits_left: AtomicU64,
}

/// A hook for storage: called with the point's name.
pub fn at(point: &'static str) {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    let plan = PLAN.get_or_init(|| env::var(VARIABLE).ok().and_then(|text| parse(&text)));
    if let Some(plan) = plan
        && plan.point == point
        && plan.hits_left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        std::process::abort();
    }
}

fn parse(text: &str) -> Option<Plan> {
    let (point, rest) = text.split_once(':')?;
    let (hits, kind) = rest.split_once(':')?;
    let hits: u64 = hits.parse().ok().filter(|hits| 1 <= *hits)?;
    (kind == "kill").then(|| Plan { point: point.to_owned(), hits_left: AtomicU64::new(hits) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read() {
        let plan = parse("storage.after-settle:3:kill").expect("a plan");
        assert_eq!((plan.point.as_str(), plan.hits_left.into_inner()), ("storage.after-settle", 3));
        for text in ["", "x", "x:0:kill", "x:1:tear", "x:y:kill"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
