//! The handlers of this component once more, exported as async functions.

#[path = "../../async_export.rs"]
mod async_export;
#[path = "../src/services.rs"]
mod services;

use services::*;

macro_rules! export_async {
    ($($all:tt)*) => {
        async_export::async_export!("../../wit"; $($all)*);
    };
}
services::everything!(export_async);
