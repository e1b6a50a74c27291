//! The Lambda Runtime API, as the functions' runtime speaks it. An environment's address has its
//! id as the first segment of the path.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::host::Host;
use crate::serve::{self, Answer, empty};
use crate::system::Stop;

/// Lambda's limit for a response.
const RESPONSE_MAX_BYTES: usize = 6 * 1_024 * 1_024;
/// The version in every path.
const VERSION: &str = "2018-06-01";

/// What an environment says.
#[derive(Debug)]
pub enum Call {
    /// It is ready for an invocation.
    Next(oneshot::Sender<Invocation>),
    /// The response to one.
    Response {
        /// Which.
        request_id: String,
        /// The response.
        body: Bytes,
    },
    /// One has failed.
    Error {
        /// Which.
        request_id: String,
        /// Lambda's error object.
        body: Bytes,
    },
    /// It cannot start.
    InitError(Bytes),
}

/// An invocation on its way into an environment.
#[derive(Debug)]
pub struct Invocation {
    /// Names it.
    pub request_id: String,
    /// When its time is up, in unix milliseconds.
    pub deadline_ms: u128,
    /// The function's name in full.
    pub arn: String,
    /// The event.
    pub payload: Bytes,
}

/// Answers the environments until the system stops.
pub(crate) async fn serve(listener: TcpListener, host: Host, stop: Stop) {
    serve::serve(listener, stop, move |request, _: SocketAddr| {
        answer(host.clone(), request)
    })
    .await;
}

async fn answer(host: Host, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let [environment, VERSION, "runtime", rest @ ..] = segments.as_slice() else {
        return empty(StatusCode::NOT_FOUND);
    };
    let Some(calls) = host.calls_of(environment) else {
        return empty(StatusCode::GONE);
    };
    match (request.method(), rest) {
        (&Method::GET, ["invocation", "next"]) => next(calls).await,
        (&Method::POST, rest) => {
            let rest: Vec<String> = rest.iter().map(|&segment| segment.to_owned()).collect();
            let Ok(body) = serve::read_body(request.into_body(), RESPONSE_MAX_BYTES).await else {
                return empty(StatusCode::PAYLOAD_TOO_LARGE);
            };
            let call = match rest
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .as_slice()
            {
                ["invocation", request_id, "response"] => Call::Response {
                    request_id: (*request_id).to_owned(),
                    body,
                },
                ["invocation", request_id, "error"] => Call::Error {
                    request_id: (*request_id).to_owned(),
                    body,
                },
                ["init", "error"] => Call::InitError(body),
                _ => return empty(StatusCode::NOT_FOUND),
            };
            match calls.send(call).await {
                Ok(()) => empty(StatusCode::ACCEPTED),
                Err(_) => empty(StatusCode::GONE),
            }
        }
        _ => empty(StatusCode::NOT_FOUND),
    }
}

async fn next(calls: mpsc::Sender<Call>) -> Answer {
    let (poll, invoked) = oneshot::channel();
    if calls.send(Call::Next(poll)).await.is_err() {
        return empty(StatusCode::GONE);
    }
    let Ok(Invocation {
        request_id,
        deadline_ms,
        arn,
        payload,
    }) = invoked.await
    else {
        return empty(StatusCode::GONE);
    };
    let mut answer = Response::new(Full::new(payload));
    let trace_id = format!(
        "Root=1-{:08x}-{}",
        deadline_ms / 1_000,
        &request_id.replace('-', "")[..24]
    );
    for (name, value) in [
        ("lambda-runtime-aws-request-id", request_id),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", arn),
        ("lambda-runtime-trace-id", trace_id),
        ("content-type", "application/json".to_owned()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}
