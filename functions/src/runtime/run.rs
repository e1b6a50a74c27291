//! What every function does around its handler: reads the event, gives the log its ids, and tells
//! what was counted, after the response.

use std::fmt::Debug;
use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;

use bytes::Bytes;
use futures_util::Stream;
use lambda_runtime::{
    Diagnostic, Error, IntoFunctionResponse, LambdaEvent, LambdaInvocation, Runtime,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use shared::deployment::Deployment;
use shared::model::error::{ErrorType, unreadable};
use shared::model::metrics::Metrics;
use tower::layer::layer_fn;
use tower::{Layer, Service, service_fn};

use crate::runtime::log;

/// An event as it came. It always can be read, so that the runtime never has to say of one that
/// it cannot, which it does with parts of it.
pub type Unread = LambdaEvent<Box<RawValue>>;

/// Runs a function until the runtime ends.
pub async fn run<T, H, R, B, S, D, E>(deployment: &Deployment, handler: H) -> ExitCode
where
    T: DeserializeOwned,
    H: Service<LambdaEvent<T>, Response = R>,
    H::Error: Into<Diagnostic>,
    R: IntoFunctionResponse<B, S>,
    B: Serialize,
    S: Stream<Item = Result<D, E>> + Unpin + Send + 'static,
    D: Into<Bytes> + Send,
    E: Into<Error> + Send + Debug,
{
    let runtime = Runtime::new(reading(handler)).layer(around(deployment));
    ended(runtime.run().await)
}

/// What a process whose runtime has ended ends with.
#[must_use]
pub fn ended(outcome: Result<(), Error>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error_type = ErrorType::Runtime.name();
            tracing::error!(error_type, error = %error, "ended");
            ExitCode::FAILURE
        }
    }
}

/// Reads an event for a handler. What is none is logged, without any of it.
pub fn reading<T, H>(
    mut handler: H,
) -> impl Service<
    Unread,
    Response = H::Response,
    Error = Diagnostic,
    Future = impl Future<Output = Result<H::Response, Diagnostic>>,
>
where
    T: DeserializeOwned,
    H: Service<LambdaEvent<T>>,
    H::Error: Into<Diagnostic>,
{
    service_fn(move |event: Unread| {
        let read = serde_json::from_str(event.payload.get());
        let called = read.map(|payload| handler.call(LambdaEvent::new(payload, event.context)));
        async move {
            match called {
                Ok(called) => called.await.map_err(Into::into),
                Err(error) => {
                    let error_type = ErrorType::EventUnreadable.name();
                    tracing::error!(
                        error_type,
                        error = unreadable(&error),
                        "event not understood"
                    );
                    Err(Diagnostic {
                        error_type: error_type.to_owned(),
                        error_message: "the event is not one of this function's".to_owned(),
                    })
                }
            }
        }
    })
}

/// What is around everything else that an invocation is: before it the log learns its id, and after
/// the response, and what follows that, it is told what was counted.
pub fn around<S>(
    deployment: &Deployment,
) -> impl Layer<S, Service = impl Service<LambdaInvocation, Response = (), Error = Error>>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
{
    let metrics = deployment.metrics().clone();
    layer_fn(move |mut inner: S| {
        let metrics = metrics.clone();
        service_fn(move |invocation: LambdaInvocation| {
            let request_id = invocation.context.request_id.clone();
            log::begin(&request_id);
            let metrics = metrics.clone();
            let responded = inner.call(invocation);
            async move {
                let result = responded.await;
                tell(&metrics, &request_id);
                result
            }
        })
    })
}

/// Prints what was counted. Where nobody reads it, it is lost.
fn tell(metrics: &Metrics, request_id: &str) {
    let told = metrics.take(
        request_id,
        &log::take_errors(),
        crate::runtime::start::now(),
    );
    let mut stdout = std::io::stdout().lock();
    for line in told {
        let _ = writeln!(stdout, "{line}");
    }
}
