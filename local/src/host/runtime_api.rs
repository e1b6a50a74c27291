//! The Lambda Runtime API, which the functions' runtime calls. The first segment of the path is the
//! environment's id.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use http::{HeaderValue, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::dispatch::Host;
use super::invocation::{Broken, FunctionResponse, Invocation, Outcome, RuntimeCall};
use crate::serving::listening;
use crate::serving::responses::empty;
use crate::serving::stop::Stop;

/// Lambda's limit for a response.
const RESPONSE_MAX_BYTES: usize = 6 * 1_024 * 1_024;
/// How a function says that its response comes bit by bit.
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
/// Bits of a response that may wait to be sent on.
const STREAM_BUFFER: usize = 16;

/// Answers the environments until the system stops.
pub(crate) async fn serve(listener: TcpListener, host: Host, stop: Stop) {
    let runtime = Router::new()
        .route("/invocation/next", get(next))
        .route("/invocation/{request_id}/response", post(response))
        .route("/invocation/{request_id}/error", post(error))
        .route("/init/error", post(init_error))
        .layer(DefaultBodyLimit::max(RESPONSE_MAX_BYTES))
        .with_state(host);
    let router = Router::new().nest("/{environment}/2018-06-01/runtime", runtime);
    listening::serve(listener, stop, router).await;
}

/// Hands on what an environment says, if it is still one.
async fn say(host: &Host, environment: &str, call: RuntimeCall) -> StatusCode {
    let Some(calls) = host.calls_of(environment) else {
        return StatusCode::GONE;
    };
    match calls.send(call).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::GONE,
    }
}

async fn response(
    State(host): State<Host>,
    Path((environment, request_id)): Path<(String, String)>,
    request: Request,
) -> StatusCode {
    let mode = request.headers().get(RESPONSE_MODE);
    if mode.is_some_and(|mode| mode == "streaming") {
        return streaming(&host, &environment, request_id, request.into_body()).await;
    }
    let Ok(body) = Bytes::from_request(request, &()).await else {
        return StatusCode::PAYLOAD_TOO_LARGE;
    };
    let body = FunctionResponse::Whole(Outcome::Answered(body));
    say(
        &host,
        &environment,
        RuntimeCall::Response { request_id, body },
    )
    .await
}

/// Hands on a response bit by bit. Nobody tells the function that nobody listens any more: as on
/// Lambda, it goes on to its end.
async fn streaming(host: &Host, environment: &str, request_id: String, body: Body) -> StatusCode {
    let (chunks, body_chunks) = mpsc::channel(STREAM_BUFFER);
    let response = RuntimeCall::Response {
        request_id,
        body: FunctionResponse::Stream(body_chunks),
    };
    let status = say(host, environment, response).await;
    let mut body = body.into_data_stream();
    while let Some(chunk) = body.next().await {
        let is_broken = chunk.is_err();
        // It fails when nobody listens.
        let _ = chunks.send(chunk.map_err(|_| Broken)).await;
        if is_broken {
            break;
        }
    }
    status
}

async fn error(
    State(host): State<Host>,
    Path((environment, request_id)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    say(&host, &environment, RuntimeCall::Error { request_id, body }).await
}

async fn init_error(
    State(host): State<Host>,
    Path(environment): Path<String>,
    body: Bytes,
) -> StatusCode {
    say(&host, &environment, RuntimeCall::InitError(body)).await
}

async fn next(State(host): State<Host>, Path(environment): Path<String>) -> Response {
    let (poll, invoked) = oneshot::channel();
    if say(&host, &environment, RuntimeCall::Next(poll)).await != StatusCode::ACCEPTED {
        return empty(StatusCode::GONE);
    }
    let Ok(invocation) = invoked.await else {
        return empty(StatusCode::GONE);
    };
    let Invocation {
        request_id,
        deadline_ms,
        arn,
        payload,
    } = invocation;
    let trace_id = format!(
        "Root=1-{:08x}-{}",
        deadline_ms / 1_000,
        &request_id.replace('-', "")[..24]
    );
    let mut answer = Response::new(Body::from(payload));
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
