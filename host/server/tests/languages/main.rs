//! Guests in every language, on the real binary: the contract of `components/portable` with a crash after every record,
//! journals that another language wrote, a real server that is killed, calls from one language to another.
//!
//! Components come from `cargo xtask components`. A language whose compiler was not there is skipped, and says so; under `CI`
//! that is a failure.

mod across;
mod bench;
mod guests;
mod killed;
mod recorded;
mod scenarios;
#[path = "../black_box/support.rs"]
#[allow(dead_code, reason = "these tests need a part of what the black-box tests need")]
mod support;
mod warm;

use guests::Guest;

macro_rules! languages {
    ($($language:ident $guest:literal $bench:literal { $($example:ident $component:literal),* })*) => {$(
        mod $language {
            use super::*;

            #[test]
            fn portable_scenarios_hold_with_a_crash_after_every_record() {
                scenarios::hold(Guest($guest), "components/portable/scenarios");
            }

            #[test]
            fn journals_of_the_guest_in_rust_are_continued_and_wrong_ones_refused() {
                recorded::continues_what_fits_and_refuses_what_differs(Guest($guest));
            }

            #[tokio::test]
            async fn a_real_server_is_killed_and_its_handlers_go_on() {
                killed::handlers_go_on(Guest($guest)).await;
            }

            #[tokio::test]
            async fn handlers_of_the_benchmarks_answer_as_the_benchmarks_expect() {
                bench::handlers_answer(Guest($bench)).await;
            }

            $(#[test]
            fn $example() {
                scenarios::hold_example(Guest($component));
            })*
        }
    )*};
}

languages! {
    rust "portable" "bench" {
        greeter_holds "greeter",
        theatre_holds "theatre",
        checkout_holds "checkout"
    }
    javascript "portable-js" "bench-js" {
        greeter_holds "greeter-ts",
        theatre_holds "theatre-ts",
        checkout_holds "checkout-ts"
    }
    python "portable-python" "bench-python" {
        greeter_holds "greeter-python",
        theatre_holds "theatre-python",
        checkout_holds "checkout-python"
    }
    go "portable-go" "bench-go" {
        greeter_holds "greeter-go",
        theatre_holds "theatre-go",
        checkout_holds "checkout-go"
    }
    c "portable-c" "bench-c" {
        greeter_holds "greeter-c",
        theatre_holds "theatre-c",
        checkout_holds "checkout-c"
    }
}

#[tokio::test]
async fn instance_in_javascript_is_kept_from_wait_to_wait() {
    warm::handler_waits_three_times(Guest("portable-js"), true).await;
}

#[tokio::test]
async fn instance_in_python_is_kept_from_wait_to_wait() {
    warm::handler_waits_three_times(Guest("portable-python"), true).await;
}

#[tokio::test]
async fn instance_in_rust_is_given_up_at_each_wait() {
    warm::handler_waits_three_times(Guest("portable"), false).await;
}

#[tokio::test]
async fn waiting_instances_in_javascript_stay_within_their_memory() {
    warm::waiting_instances_stay_within_their_memory(Guest("portable-js"), "6MiB", f64::from(6 << 20)).await;
}

/// Every guest of the repository has its tests above: one that is added and not tested fails here.
#[test]
fn every_guest_is_tested() {
    let source = include_str!("main.rs");
    for parent in [
        "components/bench",
        "components/portable",
        "examples/greeter",
        "examples/theatre",
        "examples/checkout",
    ] {
        let (_, name) = parent.split_once('/').expect("a path of two names");
        for folder in ["js", "ts", "python", "go", "c"] {
            if guests::has_sources(&guests::root().join(parent).join(folder)) {
                let component = format!("\"{name}-{folder}\"");
                assert!(source.contains(&component), "add {component} to `languages!`");
            }
        }
    }
}
