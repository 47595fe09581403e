//! A sign-up that waits for its confirmation by mail, and reminds whoever forgets it. How to run it: see `../README.md`.

mod mail;
mod signup;

use mail::Mail;
use signup::Signup;

relight::export!(Signup, Mail);
