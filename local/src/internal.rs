//! What the functions alone may call: `@connections` and the Invoke API. The path is hot: a
//! publication to a thousand sockets is a thousand requests here.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::connections::{Connections, Posted, is_id};
use crate::events::{Time, decode};
use crate::host::{Host, Outcome};
use crate::serve::{self, Answer, BodyError, empty};
use crate::system::Stop;

/// API Gateway's limit for a post.
const POST_MAX_BYTES: usize = 131_072;
/// Lambda's limit for an asynchronous invocation's payload: 1 MB.
const PAYLOAD_MAX_BYTES: usize = 1_048_576;
/// How a signed request begins its authorization.
const SIGNED: &[u8] = b"AWS4-HMAC-SHA256 ";
/// How often Lambda repeats an asynchronous invocation that fails.
const ASYNC_ATTEMPTS: usize = 3;

/// Answers the functions until the system stops.
pub(crate) async fn serve(
    listener: TcpListener,
    stage: &'static str,
    connections: Arc<Connections>,
    host: Host,
    stop: Stop,
) {
    serve::serve(listener, stop, move |request, _: SocketAddr| {
        answer(stage, connections.clone(), host.clone(), request)
    })
    .await;
}

/// An error in the AWS JSON form.
fn refuse(status: StatusCode, name: &'static str, message: &str) -> Answer {
    let mut answer = serve::json(status, &json!({ "message": message }));
    answer
        .headers_mut()
        .insert("x-amzn-errortype", HeaderValue::from_static(name));
    answer
}

fn is_signed(headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|value| value.as_bytes().starts_with(SIGNED))
}

async fn answer(
    stage: &str,
    connections: Arc<Connections>,
    host: Host,
    request: Request<Incoming>,
) -> Answer {
    if !is_signed(request.headers()) {
        return refuse(
            StatusCode::FORBIDDEN,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        );
    }
    let path = request.uri().path();
    let connection = path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(stage))
        .and_then(|path| path.strip_prefix("/@connections/"));
    if let Some(id) = connection {
        let id = decode(id);
        return if is_id(&id) {
            on_connection(&connections, &id, request).await
        } else {
            refuse(
                StatusCode::BAD_REQUEST,
                "BadRequestException",
                "Invalid connectionId",
            )
        };
    }
    let function = path
        .strip_prefix("/2015-03-31/functions/")
        .and_then(|path| path.strip_suffix("/invocations"))
        .map(decode);
    match function {
        Some(function) if request.method() == Method::POST => invoke(host, function, request).await,
        Some(_) | None => empty(StatusCode::NOT_FOUND),
    }
}

async fn on_connection(connections: &Connections, id: &str, request: Request<Incoming>) -> Answer {
    let gone = || refuse(StatusCode::GONE, "GoneException", "Gone");
    match *request.method() {
        Method::POST => {
            let body = match serve::read_body(request.into_body(), POST_MAX_BYTES).await {
                Ok(body) => body,
                Err(BodyError::TooLong) => {
                    return refuse(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "PayloadTooLargeException",
                        "The data is too large",
                    );
                }
                Err(BodyError::Broken) => return empty(StatusCode::BAD_REQUEST),
            };
            let text = Utf8Bytes::try_from(body);
            let Ok(text) = text else {
                return refuse(
                    StatusCode::BAD_REQUEST,
                    "BadRequestException",
                    "The data is not UTF-8",
                );
            };
            match connections.post(id, text, crate::gateway::now().epoch_ms) {
                Posted::Queued => empty(StatusCode::OK),
                Posted::Gone => gone(),
                Posted::Full => refuse(
                    StatusCode::TOO_MANY_REQUESTS,
                    "LimitExceededException",
                    "The client's buffer is full",
                ),
            }
        }
        Method::GET => match connections.get(id) {
            None => gone(),
            Some(handle) => {
                let body = json!({
                    "connectedAt": Time { epoch_ms: handle.peer.connected_at_ms }.iso8601(),
                    "lastActiveAt": Time { epoch_ms: handle.last_active_ms() }.iso8601(),
                    "identity": { "sourceIp": handle.peer.source_ip, "userAgent": handle.peer.user_agent },
                });
                serve::json(StatusCode::OK, &body)
            }
        },
        Method::DELETE if connections.close(id) => empty(StatusCode::NO_CONTENT),
        Method::DELETE => gone(),
        _ => empty(StatusCode::NOT_FOUND),
    }
}

async fn invoke(host: Host, function: String, request: Request<Incoming>) -> Answer {
    if !host.has(&function) {
        return refuse(
            StatusCode::NOT_FOUND,
            "ResourceNotFoundException",
            "there is no such function",
        );
    }
    let asynchronous = request
        .headers()
        .get("x-amz-invocation-type")
        .is_some_and(|kind| kind == "Event");
    let Ok(payload) = serve::read_body(request.into_body(), PAYLOAD_MAX_BYTES).await else {
        return refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            "The payload is too large",
        );
    };
    if asynchronous {
        tokio::spawn(async move { invoke_async(&host, &function, payload).await });
        return empty(StatusCode::ACCEPTED);
    }
    match host.invoke(&function, payload).await {
        Outcome::Answered(body) => serve::json_bytes(body),
        Outcome::Failed(body) => {
            let mut answer = serve::json_bytes(body);
            answer.headers_mut().insert(
                "x-amz-function-error",
                HeaderValue::from_static("Unhandled"),
            );
            answer
        }
        Outcome::Throttled => refuse(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "Rate Exceeded.",
        ),
    }
}

/// Invokes a function as Lambda does when nobody waits for the answer: until it succeeds, a few
/// times.
pub(crate) async fn invoke_async(host: &Host, function: &str, payload: Bytes) {
    for _ in 0..ASYNC_ATTEMPTS {
        if let Outcome::Answered(_) = host.invoke(function, payload.clone()).await {
            return;
        }
    }
}
