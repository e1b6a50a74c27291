//! The WebSocket API's upgrade: `$connect` decides whether a client is let in.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::connections;
use super::state::Gateway;
use super::websocket::{self, request_id};
use crate::events::headers::header;
use crate::events::websocket::ConnectionContext;
use crate::faults::rules::SocketEvent;
use crate::host::invocation::Outcome;
use crate::serving::responses::{empty, message};
use crate::time::Time;

/// The stage in the events.
const STAGE: &str = "live";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectResponse {
    status_code: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
}

/// A client at the door.
struct Client {
    context: Arc<ConnectionContext>,
    key: HeaderValue,
    upgraded: OnUpgrade,
}

/// Asks `connect`, and upgrades if it lets the client in.
pub(crate) async fn upgrade(
    gateway: Gateway,
    mut request: Request<Body>,
    peer: SocketAddr,
    of_path: Vec<(&'static str, String)>,
) -> Response {
    let Some(key) = upgrade_key(request.headers()) else {
        let mut answer = message(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
        answer
            .headers_mut()
            .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return answer;
    };
    let at = Time::now();
    let context = ConnectionContext {
        id: connections::new_id(),
        connected_at: at,
        domain: gateway.domain.clone(),
        stage: STAGE,
        source_ip: peer.ip().to_string(),
        user_agent: header(request.headers(), header::USER_AGENT),
    };
    let query = request.uri().query().unwrap_or_default();
    let event = context.connect(&request_id(), at, request.headers(), query, &of_path);
    let client = Client {
        context: Arc::new(context),
        key,
        upgraded: hyper::upgrade::on(&mut request),
    };
    let (answer, answered) = oneshot::channel();
    // By itself: a client that leaves ends this here, which must not end that.
    tokio::spawn(admit(gateway, client, event, answer));
    match answered.await {
        Ok(answer) => answer,
        Err(_) => message(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
    }
}

/// Runs a client from its `$connect` to its `$disconnect`. A client that leaves while `connect` is
/// at work is not waited for: its `$disconnect` follows at once, and may well come first.
async fn admit(
    gateway: Gateway,
    client: Client,
    event: Value,
    mut answer: oneshot::Sender<Response>,
) {
    let Client {
        context,
        key,
        upgraded,
    } = client;
    let invoked = gateway.invoke(SocketEvent::Connect, &context.id, &event);
    tokio::pin!(invoked);
    let outcome = tokio::select! {
        outcome = &mut invoked => outcome,
        () = answer.closed() => {
            tokio::join!(invoked, websocket::abandon(&gateway, &context));
            return;
        }
    };
    let response = decide(outcome, &key);
    let is_let_in = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    // A client that has just left is noticed by what follows.
    let _ = answer.send(response);
    if is_let_in {
        websocket::run(&gateway, &context, upgraded).await;
    }
}

/// The upgrade, or the refusal.
fn decide(outcome: Option<Outcome>, key: &HeaderValue) -> Response {
    let response = match outcome {
        Some(Outcome::Answered(response)) => response,
        Some(Outcome::Failed(_)) | None => {
            return message(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error");
        }
        Some(Outcome::Throttled) => {
            return message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        }
    };
    let Ok(ConnectResponse {
        status_code,
        headers,
    }) = serde_json::from_slice(&response)
    else {
        return message(StatusCode::BAD_GATEWAY, "Internal server error");
    };
    if !(200..300).contains(&status_code) {
        let refusal = StatusCode::from_u16(status_code)
            .ok()
            .filter(|status| status.is_client_error() || status.is_server_error());
        return message(refusal.unwrap_or(StatusCode::BAD_GATEWAY), "Forbidden");
    }
    let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
    answer
        .headers_mut()
        .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        answer
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    let protocol = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"));
    if let Some(Ok(protocol)) = protocol.map(|(_, value)| HeaderValue::from_str(value)) {
        answer
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    answer
}

/// The key of a request that asks for a WebSocket of version 13.
fn upgrade_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let names = |name: header::HeaderName, wanted: &str| {
        header(headers, name)
            .split(',')
            .any(|part| part.trim().eq_ignore_ascii_case(wanted))
    };
    let asked = names(header::CONNECTION, "upgrade")
        && names(header::UPGRADE, "websocket")
        && names(header::SEC_WEBSOCKET_VERSION, "13");
    headers
        .get(header::SEC_WEBSOCKET_KEY)
        .filter(|_| asked)
        .cloned()
}
