//! What both versions of the object `Orders` have in common; the handlers are in `examples/`.

/// What the payment provider answers.
pub fn receipt(amount: u32) -> String {
    format!("receipt {amount}")
}
