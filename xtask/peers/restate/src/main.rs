//! The handlers of `components/bench` on Restate's Rust SDK: same names, same inputs, same answers.
//!
//! ```text
//! peer-restate 127.0.0.1:9081
//! ```
//!
//! The SDK's own server leaves Nagle's algorithm on for the connections that it accepts, which costs calls between
//! handlers 40 ms. Here its endpoint is behind hyper's server for HTTP/2 with `TCP_NODELAY`: the peer at its best.

use std::{
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper_util::rt::{TokioExecutor, TokioIo};
use restate_sdk::{hyper::HyperEndpoint, prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;

/// How long handlers that wait hold their connection, as the handlers they are compared with hold their instance.
/// The server's default is a minute, in which nothing is suspended.
const INACTIVITY_TIMEOUT: Duration = Duration::from_millis(100);

#[derive(Debug, Serialize, Deserialize)]
struct Count {
    n: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sleep {
    ms: u64,
}

struct Greeter;

#[service]
impl Greeter {
    #[handler(name = "greet")]
    async fn greet(&self, _ctx: Context<'_>, input: Json<Value>) -> Result<Json<Value>, HandlerError> {
        Ok(input)
    }
}

struct Counter;

#[object]
impl Counter {
    #[handler(name = "add")]
    async fn add(&self, ctx: ObjectContext<'_>, amount: Json<i64>) -> Result<Json<i64>, HandlerError> {
        let before = ctx.get::<Json<i64>>("value").await?.map_or(0, Json::into_inner);
        let value = before.wrapping_add(amount.into_inner());
        ctx.set("value", Json(value));
        Ok(Json(value))
    }

    #[handler(name = "get")]
    async fn get(&self, ctx: SharedObjectContext<'_>) -> Result<Json<i64>, HandlerError> {
        Ok(Json(ctx.get::<Json<i64>>("value").await?.map_or(0, Json::into_inner)))
    }
}

struct Rpc;

#[service]
impl Rpc {
    #[handler(name = "call")]
    async fn call(&self, ctx: Context<'_>, input: Json<Value>) -> Result<Json<Value>, HandlerError> {
        Ok(ctx.service_client::<GreeterClient>().greet(input).call().await?)
    }
}

struct Chain;

#[service]
impl Chain {
    #[handler(name = "hop")]
    async fn hop(&self, ctx: Context<'_>, input: Json<Count>) -> Result<Json<u32>, HandlerError> {
        match input.into_inner().n {
            0 => Ok(Json(0)),
            n => {
                let below = ctx.service_client::<ChainClient>().hop(Json(Count { n: n - 1 })).call().await?;
                Ok(Json(1 + below.into_inner()))
            }
        }
    }
}

struct Fanout;

#[service]
impl Fanout {
    #[handler(name = "fan")]
    async fn fan(&self, ctx: Context<'_>, input: Json<Count>) -> Result<Json<u32>, HandlerError> {
        let mut calls = DurableFuturesUnordered::new();
        for index in 0..input.into_inner().n {
            calls.push(ctx.service_client::<GreeterClient>().greet(Json(Value::from(index))).call());
        }
        let mut answers = 0;
        while let Some((_, answer)) = calls.next().await? {
            answer?;
            answers += 1;
        }
        Ok(Json(answers))
    }
}

struct Steps;

#[service]
impl Steps {
    #[handler(name = "steps")]
    async fn steps(&self, ctx: Context<'_>, input: Json<Count>) -> Result<Json<u64>, HandlerError> {
        let mut sum = 0;
        for number in 0..u64::from(input.into_inner().n) {
            sum += ctx.run(|| async move { Ok(Json(number)) }).name("step").await?.into_inner();
        }
        Ok(Json(sum))
    }
}

struct Sleeper;

#[service]
impl Sleeper {
    #[handler(name = "sleep")]
    async fn sleep(&self, ctx: Context<'_>, input: Json<Sleep>) -> Result<Json<u64>, HandlerError> {
        ctx.sleep(Duration::from_millis(input.into_inner().ms)).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Json(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)))
    }
}

struct Awk;

#[object]
impl Awk {
    #[handler(name = "wait")]
    async fn wait(&self, ctx: ObjectContext<'_>) -> Result<Json<Value>, HandlerError> {
        let (id, value) = ctx.awakeable::<Json<Value>>();
        ctx.set("id", Json(id));
        let value = value.await;
        ctx.clear("id");
        Ok(value?)
    }

    #[handler(name = "id")]
    async fn id(&self, ctx: SharedObjectContext<'_>) -> Result<Json<Option<String>>, HandlerError> {
        Ok(Json(ctx.get::<Json<String>>("id").await?.map(Json::into_inner)))
    }
}

struct Replay;

#[object]
impl Replay {
    #[handler(name = "start")]
    async fn start(&self, ctx: ObjectContext<'_>, input: Json<Count>) -> Result<Json<u64>, HandlerError> {
        let (id, value) = ctx.awakeable::<Json<Value>>();
        let mut sum = 0;
        for number in 0..u64::from(input.into_inner().n) {
            sum += ctx.run(|| async move { Ok(Json(number)) }).name("step").await?.into_inner();
        }
        ctx.set("id", Json(id));
        let value = value.await;
        ctx.clear("id");
        value?;
        Ok(Json(sum))
    }

    #[handler(name = "id")]
    async fn id(&self, ctx: SharedObjectContext<'_>) -> Result<Json<Option<String>>, HandlerError> {
        Ok(Json(ctx.get::<Json<String>>("id").await?.map(Json::into_inner)))
    }
}

#[tokio::main]
#[expect(
    deprecated,
    reason = "options of a service are given when it is bound, as this release of the SDK has it"
)]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: peer-restate HOST:PORT")?;
    let suspends = || ServiceOptions::new().inactivity_timeout(INACTIVITY_TIMEOUT);
    let endpoint = Endpoint::builder()
        .bind(Greeter)
        .bind(Counter)
        .bind(Rpc)
        .bind(Chain)
        .bind(Fanout)
        .bind(Steps)
        .bind_with_options(Sleeper, suspends())
        .bind_with_options(Awk, suspends())
        .bind_with_options(Replay, suspends())
        .build();
    let endpoint = HyperEndpoint::new(endpoint);
    let listener = TcpListener::bind(&address).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let endpoint = endpoint.clone();
        tokio::spawn(async move {
            // It ends with the connection: the server makes another one.
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), endpoint)
                .await;
        });
    }
}
