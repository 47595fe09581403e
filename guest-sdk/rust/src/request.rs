//! What a handler is told about its invocation.

use crate::bindings::relight::handler::types;

/// Which handler runs, and for which key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InvocationTarget {
    /// The service's name.
    pub service: String,
    /// The key of a virtual object or workflow.
    pub key: Option<String>,
    /// The handler's name.
    pub handler: String,
}

impl From<types::Target> for InvocationTarget {
    fn from(target: types::Target) -> Self {
        Self { service: target.service, key: target.key, handler: target.handler }
    }
}

impl From<InvocationTarget> for types::Target {
    fn from(target: InvocationTarget) -> Self {
        Self { service: target.service, key: target.key, handler: target.handler }
    }
}

/// Headers in the order in which they came; names are in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub(crate) Vec<(String, String)>);

impl Headers {
    /// The first value of a header; upper and lower case of `name` are the same.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers, repeated names included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
