//! The port that the functions alone call: `@connections`, the Invoke API and SQS. It routes, and
//! refuses what is not signed; what a request does is in the folder of its service.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use http::{StatusCode, header};
use tokio::net::TcpListener;

use crate::gateway::connections::Connections;
use crate::gateway::management_api;
use crate::host::dispatch::Host;
use crate::host::invoke_api;
use crate::queues::api;
use crate::queues::live::Queues;
use crate::serving::aws_error::AwsError;
use crate::serving::listening;
use crate::serving::stop::Stop;

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
    let connection = format!("/{stage}/@connections/{{id}}");
    let router = Router::new()
        .route("/", api::methods(queues))
        .route(&connection, management_api::methods(connections))
        .route(
            "/2015-03-31/functions/{function}/invocations",
            invoke_api::methods(host),
        )
        .layer(middleware::from_fn(signed));
    listening::serve(listener, stop, router).await;
}

/// Lets signed requests through. It does not check who signed: every caller is on loopback.
async fn signed(request: Request, next: Next) -> Result<Response, AwsError> {
    let authorization = request.headers().get(header::AUTHORIZATION);
    if authorization.is_some_and(|value| value.as_bytes().starts_with(SIGNED)) {
        return Ok(next.run(request).await);
    }
    Err(AwsError(
        StatusCode::FORBIDDEN,
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    ))
}
