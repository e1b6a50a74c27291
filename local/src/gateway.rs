//! The public port: what CloudFront's function and API Gateway's routes do with a path.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use tokio::net::TcpListener;

use crate::connections::Connections;
use crate::events::{Time, decode};
use crate::host::Host;
use crate::serve::{self, Answer};
use crate::system::Stop;
use crate::{http_api, websocket};

/// The query parameters that the path of a socket becomes.
pub const APP_KEY: &str = "app_key";
/// See [`APP_KEY`].
pub const TOKEN: &str = "token";

/// How long a socket lives.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Without traffic.
    pub idle: Duration,
    /// At all.
    pub age: Duration,
}

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    /// The functions.
    pub host: Host,
    /// The open sockets.
    pub connections: Arc<Connections>,
    /// How long a socket lives.
    pub limits: Limits,
    /// Tells when to end.
    pub stop: Stop,
    /// `host:port` of the public port.
    pub domain: String,
}

/// The time.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Time {
        epoch_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
enum Route {
    Ready,
    /// A socket, and what its path becomes in the query.
    Socket(Vec<(&'static str, String)>),
    Http {
        function: &'static str,
        route_key: &'static str,
        parameters: Vec<(&'static str, String)>,
    },
    Nowhere,
}

fn route(method: &Method, path: &str) -> Route {
    let segments: Vec<&str> = path
        .strip_prefix('/')
        .unwrap_or_default()
        .split('/')
        .collect();
    let http = |function, route_key, name, value: &str| Route::Http {
        function,
        route_key,
        parameters: vec![(name, decode(value))],
    };
    match (method, segments.as_slice()) {
        (&Method::GET, ["ready"]) => Route::Ready,
        (&Method::GET, ["app", key]) => Route::Socket(vec![(APP_KEY, decode(key))]),
        (&Method::GET, ["token", token, "app", key]) => {
            Route::Socket(vec![(APP_KEY, decode(key)), (TOKEN, decode(token))])
        }
        (&Method::POST, ["apps", id, "events"]) => {
            http("publisher", "POST /apps/{app_id}/events", "app_id", id)
        }
        (&Method::POST, ["apps", id, "tokens"]) => {
            http("token", "POST /apps/{app_id}/tokens", "app_id", id)
        }
        (&Method::GET, ["status", key]) => http("status", "GET /status/{key}", "key", key),
        (&Method::OPTIONS, ["status", key]) => http("status", "OPTIONS /status/{key}", "key", key),
        _ => Route::Nowhere,
    }
}

impl Gateway {
    /// Answers the public until the system stops.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let stop = self.stop.clone();
        serve::serve(listener, stop, move |request, peer| {
            self.clone().answer(request, peer)
        })
        .await;
    }

    async fn answer(self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        match route(request.method(), request.uri().path()) {
            Route::Ready => serve::json(StatusCode::OK, &json!({ "ready": true })),
            Route::Socket(of_path) => websocket::upgrade(self, request, peer, of_path).await,
            Route::Http {
                function,
                route_key,
                parameters,
            } => http_api::call(self, request, peer, function, route_key, parameters).await,
            Route::Nowhere => serve::message(StatusCode::NOT_FOUND, "Not Found"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_one_place() {
        let socket = |key: &str| Route::Socket(vec![(APP_KEY, key.to_owned())]);
        assert_eq!(route(&Method::GET, "/app/key"), socket("key"));
        assert_eq!(route(&Method::GET, "/app/a%2Fb"), socket("a/b"));
        assert_eq!(route(&Method::GET, "/app/"), socket(""));
        let with_token = Route::Socket(vec![(APP_KEY, "k".to_owned()), (TOKEN, "t".to_owned())]);
        assert_eq!(route(&Method::GET, "/token/t/app/k"), with_token);
        assert!(matches!(
            route(&Method::POST, "/apps/1/events"),
            Route::Http {
                function: "publisher",
                ..
            }
        ));
        assert!(matches!(
            route(&Method::OPTIONS, "/status/k"),
            Route::Http {
                function: "status",
                ..
            }
        ));
        for (method, path) in [
            (Method::GET, "/apps/1/events"),
            (Method::POST, "/app/key"),
            (Method::GET, "/app"),
            (Method::GET, "/app/key/more"),
            (Method::GET, "app/key"),
            (Method::GET, "//app/key"),
        ] {
            assert_eq!(route(&method, path), Route::Nowhere, "{method} {path}");
        }
    }
}
