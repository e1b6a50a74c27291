//! What the functions alone may call: `@connections`, the Invoke API and SQS. The path is hot: a
//! publication to a thousand sockets is a thousand requests here.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::events::Time;
use crate::gateway::connections::{Connections, Posted, is_id};
use crate::host::dispatch::Host;
use crate::host::function::Outcome;
use crate::queues::live::Queues;
use crate::queues::sqs;
use crate::serving::listening::{self, empty};
use crate::serving::stop::Stop;

/// API Gateway's limit for a post.
const POST_MAX_BYTES: usize = 131_072;
/// Lambda's limit for an asynchronous invocation's payload: 1 MB.
const PAYLOAD_MAX_BYTES: usize = 1_048_576;
/// How a signed request begins its authorization.
const SIGNED: &[u8] = b"AWS4-HMAC-SHA256 ";

/// Answers the functions until the system stops.
pub(crate) async fn serve(
    listener: TcpListener,
    stage: &'static str,
    connections: Arc<Connections>,
    host: Host,
    queues: Queues,
    stop: Stop,
) {
    let connection = post(post_to_connection)
        .get(get_connection)
        .delete(delete_connection)
        .layer(DefaultBodyLimit::max(POST_MAX_BYTES))
        .with_state(connections);
    let invocations = post(invoke)
        .layer(DefaultBodyLimit::max(PAYLOAD_MAX_BYTES))
        .with_state(host);
    let messages = post(sqs::call)
        .layer(DefaultBodyLimit::max(sqs::REQUEST_MAX_BYTES))
        .with_state(queues);
    let router = Router::new()
        .route("/", messages)
        .route(&format!("/{stage}/@connections/{{id}}"), connection)
        .route("/2015-03-31/functions/{function}/invocations", invocations)
        .layer(middleware::from_fn(signed));
    listening::serve(listener, stop, router).await;
}

/// Lets through what is signed. By whom is not checked: what comes here is on loopback.
async fn signed(request: Request, next: Next) -> Result<Response, Refusal> {
    let authorization = request.headers().get(header::AUTHORIZATION);
    if authorization.is_some_and(|value| value.as_bytes().starts_with(SIGNED)) {
        return Ok(next.run(request).await);
    }
    Err(Refusal(
        StatusCode::FORBIDDEN,
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    ))
}

/// An error in the AWS JSON form: its status, its name and its message.
struct Refusal(StatusCode, &'static str, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, name, message) = self;
        let mut answer = listening::json(status, &json!({ "message": message }));
        let name = HeaderValue::from_static(name);
        answer.headers_mut().insert("x-amzn-errortype", name);
        answer
    }
}

const GONE: Refusal = Refusal(StatusCode::GONE, "GoneException", "Gone");

fn bad(message: &'static str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "BadRequestException", message)
}

/// Whether an id has the form of a connection's.
fn check(id: &str) -> Result<(), Refusal> {
    if is_id(id) {
        Ok(())
    } else {
        Err(bad("Invalid connectionId"))
    }
}

async fn post_to_connection(
    State(connections): State<Arc<Connections>>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    check(&id)?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PayloadTooLargeException",
            "The data is too large",
        ),
        _ => bad("The data did not come"),
    })?;
    let text = Utf8Bytes::try_from(body).map_err(|_| bad("The data is not UTF-8"))?;
    match connections.post(&id, text, Time::now().epoch_ms) {
        Posted::Queued => Ok(empty(StatusCode::OK)),
        Posted::Gone => Err(GONE),
        Posted::Full => Err(Refusal(
            StatusCode::TOO_MANY_REQUESTS,
            "LimitExceededException",
            "The client's buffer is full",
        )),
    }
}

async fn get_connection(
    State(connections): State<Arc<Connections>>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    check(&id)?;
    let handle = connections.get(&id).ok_or(GONE)?;
    let body = json!({
        "connectedAt": Time { epoch_ms: handle.peer.connected_at_ms }.iso8601(),
        "lastActiveAt": Time { epoch_ms: handle.last_active_ms() }.iso8601(),
        "identity": { "sourceIp": handle.peer.source_ip, "userAgent": handle.peer.user_agent },
    });
    Ok(listening::json(StatusCode::OK, &body))
}

async fn delete_connection(
    State(connections): State<Arc<Connections>>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    check(&id)?;
    if connections.close(&id) {
        Ok(empty(StatusCode::NO_CONTENT))
    } else {
        Err(GONE)
    }
}

async fn invoke(
    State(host): State<Host>,
    Path(function): Path<String>,
    headers: HeaderMap,
    payload: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    if !host.has(&function) {
        return Err(Refusal(
            StatusCode::NOT_FOUND,
            "ResourceNotFoundException",
            "there is no such function",
        ));
    }
    let Ok(payload) = payload else {
        return Err(Refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            "The payload is too large",
        ));
    };
    if headers
        .get("x-amz-invocation-type")
        .is_some_and(|kind| kind == "Event")
    {
        tokio::spawn(async move { host.invoke_async(&function, payload).await });
        return Ok(empty(StatusCode::ACCEPTED));
    }
    match host.invoke(&function, payload).await {
        Outcome::Answered(body) => Ok(listening::json_bytes(body)),
        Outcome::Failed(body) => {
            let mut answer = listening::json_bytes(body);
            answer.headers_mut().insert(
                "x-amz-function-error",
                HeaderValue::from_static("Unhandled"),
            );
            Ok(answer)
        }
        Outcome::Throttled => Err(Refusal(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "Rate Exceeded.",
        )),
    }
}
