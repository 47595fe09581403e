//! Tests of this crate: the stored forms, and the tables against the suite that in-memory tables pass too.

mod blobs;
mod conformance;
mod crash;
mod format;
mod keys;
mod open;
mod sample;
