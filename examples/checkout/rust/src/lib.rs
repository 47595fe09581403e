//! A saga: reserve, charge, ship; what has been done is undone, last step first, when a later one fails or the order is cancelled. How to
//! run it: see `../README.md`.

mod checkout;
mod effects;
mod stock;

use checkout::Checkout;
use effects::{charge, refund, ship};
use stock::Stock;

relight::export!(Checkout, Stock; effects: charge, refund, ship);
