//! Requests counted by route and class of status.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::StatusCode;

/// Counters since the start of the process.
#[derive(Clone, Debug)]
pub struct IngressStats {
    /// Requests that run or wait now.
    pub in_flight: usize,
    pub routes: Vec<RouteStats>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteStats {
    pub route: &'static str,
    /// `2xx`, `4xx` or `5xx`.
    pub status: &'static str,
    pub requests: u64,
}

/// A bounded set of names for routes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Label {
    Call,
    Send,
    Attach,
    Output,
    Lookup,
    Awakeable,
    Signal,
    Promise,
    Health,
    Other,
}

const LABELS: [(Label, &str); 10] = [
    (Label::Call, "call"),
    (Label::Send, "send"),
    (Label::Attach, "attach"),
    (Label::Output, "output"),
    (Label::Lookup, "lookup"),
    (Label::Awakeable, "awakeable"),
    (Label::Signal, "signal"),
    (Label::Promise, "promise"),
    (Label::Health, "health"),
    (Label::Other, "other"),
];
const CLASSES: [&str; 3] = ["2xx", "4xx", "5xx"];

#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: [[AtomicU64; CLASSES.len()]; LABELS.len()],
}

impl Counters {
    pub(crate) fn count(&self, label: Label, status: StatusCode) {
        let class = match status.as_u16() {
            0..400 => 0,
            400..500 => 1,
            _ => 2,
        };
        self.requests[label as usize][class].fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self, in_flight: usize) -> IngressStats {
        let routes = LABELS
            .iter()
            .flat_map(|(label, route)| {
                let counts = &self.requests[*label as usize];
                CLASSES.iter().zip(counts).map(|(status, requests)| RouteStats {
                    route,
                    status,
                    requests: requests.load(Relaxed),
                })
            })
            .collect();
        IngressStats { in_flight, routes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_in_the_order_of_their_numbers() {
        for (index, (label, _)) in LABELS.iter().enumerate() {
            assert_eq!(*label as usize, index);
        }
    }

    #[test]
    fn requests_are_counted_by_route_and_class() {
        let counters = Counters::default();
        counters.count(Label::Call, StatusCode::OK);
        counters.count(Label::Call, StatusCode::OK);
        counters.count(Label::Other, StatusCode::NOT_FOUND);
        let stats = counters.read(3);
        let counted: Vec<_> = stats.routes.into_iter().filter(|route| route.requests > 0).collect();
        assert_eq!(
            counted,
            [
                RouteStats { route: "call", status: "2xx", requests: 2 },
                RouteStats { route: "other", status: "4xx", requests: 1 },
            ]
        );
        assert_eq!(stats.in_flight, 3);
    }
}
