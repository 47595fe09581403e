//! Payloads as JSON. An empty payload reads as `null`, so that handlers without an argument can be called without a body.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{AttemptError, Failure};

/// A value as JSON.
///
/// # Panics
///
/// When the value's `Serialize` fails, which ends the attempt with its message: a mistake in the program, such as a map whose keys are
/// not strings.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    match serde_json::to_vec(value) {
        Ok(bytes) => bytes,
        Err(error) => {
            panic!("cannot encode a value of type `{}` as JSON: {error}", std::any::type_name::<T>())
        }
    }
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(if bytes.is_empty() { b"null" } else { bytes })
}

/// The input of a handler. What cannot be read is the caller's mistake: a failure 400.
pub fn decode_input<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AttemptError> {
    decode(bytes).map_err(|error| AttemptError::terminal(400, format!("cannot read the input: {error}")))
}

/// The arguments of an effect. They were written by a handler of the same component, perhaps of an earlier deployment.
pub fn decode_arguments<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AttemptError> {
    decode(bytes)
        .map_err(|error| AttemptError::terminal(500, format!("cannot read the effect's arguments: {error}")))
}

/// A value that somebody recorded: a result, a state value.
pub(crate) fn decode_recorded<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Failure> {
    decode(bytes).map_err(|error| Failure::new(500, format!("cannot read {what}: {error}")))
}

/// The output of a handler or effect that cannot fail.
pub fn encode_output<T: Serialize>(value: T) -> Result<Vec<u8>, AttemptError> {
    Ok(encode(&value))
}

/// The output of a handler or effect that can fail.
pub fn encode_result<T: Serialize, E: Into<AttemptError>>(
    result: Result<T, E>,
) -> Result<Vec<u8>, AttemptError> {
    result.map(|value| encode(&value)).map_err(Into::into)
}
