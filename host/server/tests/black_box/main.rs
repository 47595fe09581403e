//! Black-box tests: the real binary on free ports with a data folder of its own, spoken to over HTTP and with its own
//! command line. Nothing here looks inside.
//!
//! Components come from `cargo xtask components`.

mod commands;
mod conformance;
mod conformance_answers;
mod conformance_contract;
mod conformance_failing;
mod conformance_later;
mod conformance_outside;
mod deploying;
mod details;
mod durability;
mod go;
mod guests_in_c;
mod hostile;
mod hostile_uploads;
mod ledger;
mod limits;
mod python;
mod removal;
mod restarting;
mod starting;
mod support;
mod suspension;
mod testing;
mod upgrades;
mod versions;
mod wasi;
