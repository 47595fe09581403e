//! A theatre's box office: carts that hold tickets for a while, a checkout that charges exactly once, and refunds that wait for a
//! person. How to run it: see `../README.md`.

mod cart;
mod mail;
mod payments;
mod refund;
mod ticket;

use cart::Cart;
use mail::Mail;
use payments::{charge, refund_payment};
use refund::Refund;
use ticket::Ticket;

relight::export!(Cart, Ticket, Refund, Mail; effects: charge, refund_payment);
