//! The attribute macros of the crate `relight`: they turn an `impl` block into a service with a typed client, and a function into an
//! effect. Documentation for users is here and in that crate; the output refers to its `__private` module only.

mod effect;
mod options;
mod service;
mod signature;

use proc_macro::TokenStream;

/// Make a service out of an `impl` block.
///
/// Every function marked `#[handler]` is a handler: `async fn name(ctx: &Context)` or, with an input,
/// `async fn name(ctx: &Context, input: T)`. It returns `T` or `Result<T, E>`, where `E` is
/// [`Failure`](https://docs.rs/relight) or `HandlerError`. The type need not be declared: the macro declares it, and a client named
/// after it (`Greeter` gives `GreeterClient`). Other functions of the block are left alone.
///
/// On a `trait` of the same form, it makes the client only: for a service that lives in another component.
///
/// Options: `name = "…"`, `public = false`, `inactivity_timeout`, `abort_timeout`, `idempotency_retention`, `journal_retention` (texts
/// such as `"10s"`, `"1h 30m"`, `"2d"`), and `retry(initial_interval = "50ms", factor = 2.0, max_interval = "10s", max_attempts = 70,
/// max_duration = "1d", on_exhausted = "pause" | "fail")`.
#[proc_macro_attribute]
pub fn service(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(service::expand(service::Kind::Service, options.into(), item.into()))
}

/// Make a virtual object out of an `impl` block. As [`macro@service`], but handlers take `&ObjectContext`, and those marked
/// `#[handler(shared)]`, which run beside others and only read, take `&SharedObjectContext`.
#[proc_macro_attribute]
pub fn virtual_object(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(service::expand(service::Kind::VirtualObject, options.into(), item.into()))
}

/// Make a workflow out of an `impl` block. As [`macro@service`], but exactly one function is marked `#[run]` and takes
/// `&WorkflowContext`: it runs once for each key. Those marked `#[handler]` run beside it, any number at a time, and take
/// `&SharedWorkflowContext`.
#[proc_macro_attribute]
pub fn workflow(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(service::expand(service::Kind::Workflow, options.into(), item.into()))
}

/// Mark a handler, inside a block marked `#[service]`, `#[virtual_object]` or `#[workflow]`. Takes the options of [`macro@service`], and
/// `shared`.
#[proc_macro_attribute]
pub fn handler(_options: TokenStream, item: TokenStream) -> TokenStream {
    let message = "`#[handler]` stands inside an `impl` block that is marked `#[service]`, `#[virtual_object]` or \
                   `#[workflow]`";
    misplaced(message, item)
}

/// Mark the run of a workflow, inside a block marked `#[workflow]`. Takes the options of [`macro@service`].
#[proc_macro_attribute]
pub fn run(_options: TokenStream, item: TokenStream) -> TokenStream {
    misplaced("`#[run]` stands inside an `impl` block that is marked `#[workflow]`", item)
}

fn misplaced(message: &str, item: TokenStream) -> TokenStream {
    let error = syn::Error::new(proc_macro2::Span::call_site(), message).to_compile_error();
    [TokenStream::from(error), item].into_iter().collect()
}

/// Make an effect out of an async function: it runs in its own instance with live I/O, and its result is recorded.
///
/// Calling the function gives a request for `ctx.effect`. Arguments and result travel as JSON; it returns `T` or `Result<T, EffectError>`.
/// Name it in `export!` after `effects:`.
///
/// Options: `name = "…"`, `timeout = "30s"` (one attempt), and `retry(…)` as in [`macro@service`]; after the last attempt the effect
/// fails, unless `on_exhausted = "pause"`.
#[proc_macro_attribute]
pub fn effect(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(effect::expand(options.into(), item.into()))
}

fn finish(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(syn::Error::into_compile_error).into()
}
