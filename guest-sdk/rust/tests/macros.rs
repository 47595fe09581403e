//! What the attribute macros make: definitions, dispatch and clients, through the exports of a component that runs on a scripted host.

use relight::__private::{
    EffectDefinition, EffectEntry, Kind, Manifest, Mode, Request, ServiceDefinition, ServiceEntry,
    WitAttemptError, WitEffectRequest, describe, effect as run_effect, invoke,
};
use relight::prelude::*;
use relight::testing::{Event, script, set_state, transcript};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct ChargeRequest {
    cents: u32,
}

/// Carts of the shop.
#[virtual_object(idempotency_retention = "2d", retry(max_attempts = 3))]
impl Cart {
    /// Put a ticket into the cart.
    #[handler(inactivity_timeout = "1m")]
    async fn add_ticket(ctx: &ObjectContext, ticket: String) -> Result<bool, Failure> {
        let mut tickets: Vec<String> = ctx.get("tickets")?.unwrap_or_default();
        tickets.push(ticket.clone());
        ctx.set("tickets", &tickets)?;
        ctx.object::<CartClient>(ctx.key()).expire(Some(ticket)).send_after(minutes(15));
        Ok(helper())
    }

    #[handler(name = "expireTicket", public = false)]
    async fn expire(ctx: &ObjectContext, ticket: Option<String>) {
        ctx.clear("tickets");
        relight::info!("expired {ticket:?}");
    }

    #[handler]
    async fn checkout(ctx: &ObjectContext) -> Result<String, HandlerError> {
        let key = ctx.key().to_owned();
        let receipt = ctx.effect(charge(ChargeRequest { cents: 100 }).timeout(seconds(5))).await?;
        let count: u32 = receipt.parse()?;
        Ok(format!("{key} {count}"))
    }

    #[handler(shared)]
    async fn tickets(ctx: &SharedObjectContext) -> Result<Vec<String>, Failure> {
        Ok(ctx.get("tickets")?.unwrap_or_default())
    }
}

/// Signs somebody up.
#[workflow(journal_retention = "1d")]
impl Signup {
    /// Waits for the confirmation.
    #[run]
    async fn run(ctx: &WorkflowContext, email: String) -> Result<bool, Failure> {
        ctx.set("email", &email)?;
        ctx.promise("confirmed").await
    }

    #[handler]
    async fn confirm(ctx: &SharedWorkflowContext, answer: bool) -> Result<(), Failure> {
        ctx.resolve_promise("confirmed", &answer).await
    }

    #[handler(name = "state")]
    async fn stage(ctx: &SharedWorkflowContext) -> Result<(Option<String>, Option<bool>), Failure> {
        Ok((ctx.get("email")?, ctx.promise("confirmed").peek().await?))
    }

    #[handler]
    async fn again(ctx: &SharedWorkflowContext) -> Result<bool, Failure> {
        ctx.workflow::<SignupClient>(ctx.key()).run("b@example.com".to_owned()).await
    }
}

fn helper() -> bool {
    true
}

#[service(name = "shop.Greeter")]
impl Greeter {
    #[handler]
    async fn greet(ctx: &Context, name: String) -> String {
        format!("{} {name}", ctx.headers().get("X-Greeting").unwrap_or("Hello"))
    }
}

/// Charge a card.
#[effect(
    retry(max_attempts = 5, initial_interval = "100ms", factor = 3, max_interval = "10s"),
    timeout = "30s"
)]
async fn charge(request: ChargeRequest) -> Result<String, EffectError> {
    if request.cents == 0 {
        return Err(EffectError::terminal(402, "nothing to pay"));
    }
    let cents =
        request.cents.checked_mul(effect_attempt()).ok_or_else(|| EffectError::retryable("too much"))?;
    Ok(format!("{} {cents}", effect_idempotency_key()))
}

/// An argument may be called like its function.
#[effect]
async fn add(add: i64, b: i64) -> i64 {
    add + b
}

#[effect(name = "wall-clock")]
async fn wall_clock() -> u64 {
    relight::now().as_millis()
}

const SERVICES: [ServiceEntry; 3] = [
    <Cart as ServiceDefinition>::ENTRY,
    <Greeter as ServiceDefinition>::ENTRY,
    <Signup as ServiceDefinition>::ENTRY,
];
const EFFECTS: [EffectEntry; 3] = [
    <charge as EffectDefinition>::ENTRY,
    <add as EffectDefinition>::ENTRY,
    <wall_clock as EffectDefinition>::ENTRY,
];

/// Calls a handler as the host does and gives its output, or its error in words.
fn call(service: &str, key: Option<&str>, handler: &str, input: &str) -> Result<String, String> {
    let request = Request {
        service: service.to_owned(),
        key: key.map(str::to_owned),
        handler: handler.to_owned(),
        headers: vec![("x-greeting".to_owned(), "Hi".to_owned())],
        input: input.as_bytes().to_vec(),
    };
    in_words(invoke(&SERVICES, request))
}

fn run(name: &str, input: &str, attempt: u32) -> Result<String, String> {
    let (name, input) = (name.to_owned(), input.as_bytes().to_vec());
    let request = WitEffectRequest { name, input, attempt, idempotency_key: "key1".to_owned() };
    in_words(run_effect(&EFFECTS, request))
}

fn in_words(result: Result<Vec<u8>, WitAttemptError>) -> Result<String, String> {
    match result {
        Ok(bytes) => Ok(String::from_utf8(bytes).expect("JSON is UTF-8")),
        Err(WitAttemptError::Terminal(failure)) => {
            Err(format!("terminal {} {}", failure.code, failure.message))
        }
        Err(WitAttemptError::Retryable((message, _))) => Err(format!("retryable {message}")),
    }
}

fn manifest() -> Manifest {
    describe(&SERVICES, &EFFECTS)
}

#[test]
fn a_handler_reads_and_writes_its_state() {
    script([]);
    set_state("tickets", r#"["a1"]"#);
    assert_eq!(call("Cart", Some("c7"), "add_ticket", r#""a2""#), Ok("true".to_owned()));
    assert_eq!(
        transcript(),
        ["get tickets", r#"set tickets ["a1","a2"]"#, r#"send Cart/c7/expireTicket("a2") after 900000"#]
    );
    assert_eq!(call("Cart", Some("c7"), "tickets", ""), Ok(r#"["a1","a2"]"#.to_owned()));
}

#[test]
fn a_handler_is_found_by_its_declared_names() {
    script([]);
    assert_eq!(call("Cart", Some("c7"), "expireTicket", ""), Ok("null".to_owned()));
    assert_eq!(transcript(), ["clear tickets", "Level::Info expired None"]);
    let unknown = Err("terminal 404 this component has no handler `Cart/expire`".to_owned());
    assert_eq!(call("Cart", Some("c7"), "expire", ""), unknown);
    assert_eq!(call("shop.Greeter", None, "greet", r#""Ann""#), Ok(r#""Hi Ann""#.to_owned()));
}

#[test]
fn an_unreadable_input_is_the_callers_failure() {
    script([]);
    let error = call("shop.Greeter", None, "greet", "{").expect_err("this is no text");
    assert!(error.starts_with("terminal 400 cannot read the input: "), "{error}");
}

#[test]
fn question_mark_on_other_errors_asks_for_a_retry() {
    script([Event::value(1, r#""many""#)]);
    let error = call("Cart", Some("c7"), "checkout", "");
    assert_eq!(error, Err("retryable invalid digit found in string".to_owned()));
    assert_eq!(transcript(), [r#"effect charge({"cents":100}) timeout 5000"#, "wait 1"]);
}

#[test]
fn an_effect_knows_its_attempt_and_key() {
    script([]);
    assert_eq!(run("charge", r#"{"cents":7}"#, 2), Ok(r#""key1 14""#.to_owned()));
    assert_eq!(run("charge", r#"{"cents":0}"#, 1), Err("terminal 402 nothing to pay".to_owned()));
    assert_eq!(run("charge", r#"{"cents":7}"#, u32::MAX), Err("retryable too much".to_owned()));
}

#[test]
fn effects_take_none_or_many_arguments() {
    script([]);
    assert_eq!(run("add", "[1,2]", 1), Ok("3".to_owned()));
    assert_eq!(run("wall-clock", "", 1), Ok("1000".to_owned()));
    assert_eq!(run("nothing", "", 1), Err("terminal 404 this component has no effect `nothing`".to_owned()));
}

#[test]
fn the_manifest_names_services_and_handlers() {
    let manifest = manifest();
    let names: Vec<_> = manifest
        .services
        .iter()
        .flat_map(|service| {
            service.handlers.iter().map(move |handler| format!("{}/{}", service.name, handler.name))
        })
        .collect();
    assert_eq!(
        names,
        [
            "Cart/add_ticket",
            "Cart/expireTicket",
            "Cart/checkout",
            "Cart/tickets",
            "shop.Greeter/greet",
            "Signup/run",
            "Signup/confirm",
            "Signup/state",
            "Signup/again",
        ]
    );
    let cart = &manifest.services[0];
    assert_eq!(cart.documentation.as_deref(), Some("Carts of the shop."));
    assert_eq!(cart.options.idempotency_retention, Some(2 * 86_400_000));
    assert_eq!(cart.handlers[0].documentation.as_deref(), Some("Put a ticket into the cart."));
    assert_eq!(cart.handlers[0].options.inactivity_timeout, Some(60_000));
    assert_eq!(cart.handlers[1].options.public, Some(false));
    assert!(matches!(cart.handlers[0].mode, Mode::Exclusive));
    assert!(matches!(cart.handlers[3].mode, Mode::Shared));
}

#[test]
fn a_workflow_has_one_run_and_shared_handlers() {
    let manifest = manifest();
    let signup = &manifest.services[2];
    assert!(matches!(signup.kind, Kind::Workflow));
    assert_eq!(signup.options.journal_retention, Some(86_400_000));
    assert!(matches!(signup.handlers[0].mode, Mode::Workflow));
    assert_eq!(signup.handlers[0].documentation.as_deref(), Some("Waits for the confirmation."));
    assert!(signup.handlers[1..].iter().all(|handler| matches!(handler.mode, Mode::Shared)));
}

#[test]
fn a_workflow_run_writes_state_and_awaits_promises() {
    script([Event::value(1, "true")]);
    assert_eq!(call("Signup", Some("s1"), "run", r#""a@example.com""#), Ok("true".to_owned()));
    assert_eq!(transcript(), [r#"set email "a@example.com""#, "promise confirmed", "wait 1"]);
}

#[test]
fn handlers_beside_the_run_complete_and_peek_at_promises() {
    script([Event::timer(1)]);
    assert_eq!(call("Signup", Some("s1"), "confirm", "true"), Ok("null".to_owned()));
    assert_eq!(transcript(), ["promise-complete confirmed true", "wait 1"]);
    script([Event::timer(1)]);
    assert_eq!(call("Signup", Some("s1"), "state", ""), Ok("[null,null]".to_owned()));
    script([Event::failure(1, 409, "completed already")]);
    let twice = call("Signup", Some("s1"), "confirm", "true");
    assert_eq!(twice, Err("terminal 409 completed already".to_owned()));
}

#[test]
fn clients_of_workflows_name_the_key() {
    script([Event::value(1, "false")]);
    assert_eq!(call("Signup", Some("s1"), "again", ""), Ok("false".to_owned()));
    assert_eq!(transcript()[0], r#"call Signup/s1/run("b@example.com")"#);
}

#[test]
fn the_manifest_describes_payloads() {
    let manifest = manifest();
    let [add_ticket, expire, checkout, ..] = manifest.services[0].handlers.as_slice() else {
        panic!("the cart has handlers");
    };
    assert!(add_ticket.input.required);
    assert_eq!(add_ticket.input.content_type.as_deref(), Some("application/json"));
    let schema = add_ticket.input.json_schema.as_deref().expect("a text has a schema");
    assert!(schema.contains(r#""type":"string""#), "{schema}");
    assert!(!expire.input.required);
    assert!(!checkout.input.required);
    assert_eq!(checkout.input.json_schema, None);
}

#[test]
fn the_manifest_carries_retry_policies() {
    let manifest = manifest();
    let effect = &manifest.effects[0];
    assert_eq!((effect.name.as_str(), effect.timeout), ("charge", Some(30_000)));
    assert_eq!(effect.documentation.as_deref(), Some("Charge a card."));
    let retry = effect.retry.expect("the effect declares a policy");
    assert_eq!((retry.initial_interval, retry.factor, retry.max_interval), (100, 3.0, 10_000));
    assert_eq!((retry.max_attempts, retry.max_duration), (Some(5), None));
    assert_eq!(format!("{:?}", retry.on_exhausted), "OnExhausted::Fail");
    let retry = manifest.services[0].options.retry.expect("the cart declares a policy");
    assert_eq!(retry.max_attempts, Some(3));
    assert_eq!(format!("{:?}", retry.on_exhausted), "OnExhausted::Pause");
    assert!(manifest.effects[1].retry.is_none());
}
