//! The public port: where CloudFront's function and API Gateway's routes send each path.

use std::collections::HashMap;
use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, options, post};
use http::{Request, StatusCode, request};
use serde_json::json;
use tokio::net::TcpListener;

use super::state::Gateway;
use super::{function_url, http_api, upgrade};
use crate::events::http::Route;
use crate::serving::{listening, responses};

/// Lambda's limit for a synchronous event, nearly all of it body.
const BODY_MAX_BYTES: usize = 6 * 1_024 * 1_024;

/// The query parameters that the path of a socket becomes.
pub const APP_KEY: &str = "app_key";
/// See [`APP_KEY`].
pub const TOKEN: &str = "token";

type Parameters = Path<HashMap<String, String>>;

/// A socket. Its path becomes its query.
async fn socket(
    State(gateway): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(mut parameters): Parameters,
    request: Request<Body>,
) -> Response {
    let key = parameters.remove("key").unwrap_or_default();
    let mut of_path = vec![(APP_KEY, key)];
    match parameters.remove(TOKEN).as_deref() {
        Some("") => return nowhere().await,
        Some(token) => of_path.push((TOKEN, token.to_owned())),
        None => {}
    }
    upgrade::upgrade(gateway, request, peer, of_path).await
}

/// A route of the HTTP API: its method, and the method's name.
fn http(function: &'static str, method: &'static str, path: &'static str) -> MethodRouter<Gateway> {
    let handler = async move |State(gateway): State<Gateway>,
                              ConnectInfo(peer): ConnectInfo<SocketAddr>,
                              Path(parameters): Parameters,
                              parts: request::Parts,
                              body: Result<Bytes, BytesRejection>| {
        let route = Route {
            function,
            key: format!("{method} {path}"),
            parameters,
        };
        http_api::call(gateway, route, peer, parts, body).await
    };
    match method {
        "POST" => post(handler),
        "OPTIONS" => options(handler),
        // Axum's `get` takes HEAD, too.
        _ => get(handler).head(nowhere),
    }
}

/// A function URL behind CloudFront.
fn url(function: &'static str) -> MethodRouter<Gateway> {
    any(
        async move |State(gateway): State<Gateway>,
                    ConnectInfo(peer): ConnectInfo<SocketAddr>,
                    parts: request::Parts,
                    body: Result<Bytes, BytesRejection>| {
            function_url::call(gateway, function, peer, parts, body).await
        },
    )
}

async fn ready() -> Response {
    responses::json(StatusCode::OK, &json!({ "ready": true }))
}

async fn nowhere() -> Response {
    responses::message(StatusCode::NOT_FOUND, "Not Found")
}

/// The functions that the HTTP API calls, each with the method and the path.
pub const ROUTES: [(&str, &str, &str); 12] = [
    ("publisher", "POST", "/apps/{app_id}/events"),
    ("publisher", "POST", "/apps/{app_id}/batch_events"),
    ("publisher", "GET", "/apps/{app_id}/channels"),
    ("publisher", "GET", "/apps/{app_id}/channels/{channel}"),
    (
        "publisher",
        "GET",
        "/apps/{app_id}/channels/{channel}/users",
    ),
    (
        "publisher",
        "GET",
        "/apps/{app_id}/channels/{channel}/stats",
    ),
    (
        "publisher",
        "POST",
        "/apps/{app_id}/channels/{channel}/events",
    ),
    (
        "publisher",
        "POST",
        "/apps/{app_id}/users/{user_id}/terminate_connections",
    ),
    (
        "publisher",
        "POST",
        "/users/{user_id}/terminate_connections",
    ),
    ("token", "POST", "/apps/{app_id}/tokens"),
    ("status", "GET", "/status/{key}"),
    ("status", "OPTIONS", "/status/{key}"),
];

/// The functions that are called by their URLs, each with the paths that CloudFront sends there.
pub const URLS: [(&str, &str); 2] = [
    ("session", "/pusher/app/{key}/{server}/{session}/{call}"),
    ("stream", "/stream/{key}"),
];

fn router(gateway: Gateway) -> Router {
    let mut router = Router::new()
        .route("/ready", get(ready))
        .route("/app/", get(socket))
        .route("/app/{key}", get(socket))
        .route("/token/{token}/app/", get(socket))
        .route("/token/{token}/app/{key}", get(socket));
    for (function, method, path) in ROUTES {
        router = router.route(path, http(function, method, path));
    }
    for (function, path) in URLS {
        router = router.route(path, url(function));
    }
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(nowhere)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(gateway)
}

/// Answers the public until the system stops.
pub(crate) async fn serve(listener: TcpListener, gateway: Gateway) {
    listening::serve(listener, gateway.stop.clone(), router(gateway)).await;
}
