//! Greeting after the response. API Gateway answers 410 to a post that is made inside `$connect`,
//! and pusher-js says nothing until it is greeted. What runs in this layer after the inner service
//! runs after the response was sent and before the next invocation is asked for.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use lambda_runtime::{Error, LambdaInvocation};
use shared::aws::Services;
use shared::connections::admission::{self, Greeting};
use tower::{Layer, Service};

/// Where the handler leaves a greeting for the layer. An environment has one invocation at a
/// time, so one place is enough.
#[derive(Clone, Default)]
pub struct Pending(Arc<Mutex<Option<(Services, Greeting)>>>);

impl Pending {
    /// Leaves a greeting to be said after the response, and what to say it with.
    pub fn leave(&self, services: Services, greeting: Greeting) {
        let left = Some((services, greeting));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }

    fn take(&self) -> Option<(Services, Greeting)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Says what the handler has left in [`Pending`], after the response.
#[derive(Clone)]
pub struct GreetLayer(pub Pending);

impl<S> Layer<S> for GreetLayer {
    type Service = GreetService<S>;

    fn layer(&self, inner: S) -> GreetService<S> {
        GreetService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The runtime's own service, followed by the greeting.
#[derive(Clone)]
pub struct GreetService<S> {
    inner: S,
    layer: GreetLayer,
}

impl<S> Service<LambdaInvocation> for GreetService<S>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let GreetLayer(pending) = self.layer.clone();
        let responded = self.inner.call(invocation);
        Box::pin(async move {
            let result = responded.await;
            // Without a response the upgrade failed, and there is nobody to greet.
            if let Some((services, greeting)) = pending.take()
                && result.is_ok()
            {
                admission::greet(&services, greeting, crate::runtime::start::now()).await;
            }
            result
        })
    }
}
