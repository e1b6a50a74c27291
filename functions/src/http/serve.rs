//! Running a handler of requests, whole or streamed.

use std::convert::Infallible;
use std::process::ExitCode;

use bytes::Bytes;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Request, Response, StreamAdapter};
use lambda_runtime::LambdaEvent;
use serde_json::value::{RawValue, to_raw_value};
use shared::deployment::Deployment;
use tower::{Service, ServiceExt as _};

use crate::http::request::strip;

/// Runs an HTTP function.
pub async fn run<'a, S>(deployment: &Deployment, handler: S) -> ExitCode
where
    S: Service<Request, Response = Response<Body>, Error = lambda_http::Error> + 'a,
    S::Future: Send + 'a,
{
    let service = Adapter::from(handler).map_request(|mut event: LambdaEvent<LambdaRequest>| {
        strip(&mut event.payload);
        event
    });
    crate::runtime::run::run(deployment, service).await
}

/// Has a handler answer one request, in the form that API Gateway takes.
///
/// # Errors
/// Those of the handler.
pub async fn answer<'a, S>(
    handler: S,
    request: LambdaRequest,
    context: lambda_runtime::Context,
) -> Result<Box<RawValue>, lambda_http::Error>
where
    S: Service<Request, Response = Response<Body>, Error = lambda_http::Error> + 'a,
    S::Future: Send + 'a,
{
    let mut event = LambdaEvent::new(request, context);
    strip(&mut event.payload);
    let response = Adapter::from(handler).oneshot(event).await?;
    Ok(to_raw_value(&response)?)
}

/// Runs a function whose responses are streamed.
pub async fn run_streaming<'a, S, B>(deployment: &Deployment, handler: S) -> ExitCode
where
    S: Service<Request, Response = Response<B>, Error = lambda_http::Error> + 'a,
    S::Future: Send + 'a,
    B: http_body::Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
{
    let adapter = StreamAdapter::from(handler);
    let service = adapter.map_request(|mut event: LambdaEvent<LambdaRequest>| {
        strip(&mut event.payload);
        event
    });
    crate::runtime::run::run(deployment, service).await
}
