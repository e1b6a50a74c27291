//! What the SDK's clients send over: kept connections, as posts do. The SDK's own client would bring HTTP/2
//! and a second pool into each function (`docs/performance.md` has what that is in bytes).

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;

use super::pool::{Cause, Pool};
use crate::config::Config;

/// Bytes of an answer that are read: DynamoDB's longest is 16 MB.
const ANSWER_MAX_BYTES: usize = 17 * 1_024 * 1_024;

/// The connections of one of the SDK's clients: to the one endpoint that it has. Cheap to clone.
#[derive(Clone)]
pub(super) struct Transport(Arc<Kept>);

struct Kept {
    roots_pem: Cow<'static, str>,
    /// Which endpoint that is, the client says with its first request.
    pool: Mutex<Option<Arc<Pool>>>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    /// Opens nothing yet.
    pub(super) fn new(config: &Config) -> Self {
        Self(Arc::new(Kept {
            roots_pem: config.aws_roots_pem.clone(),
            pool: Mutex::default(),
        }))
    }

    /// The connections to where a request goes.
    fn pool(&self, to: &Uri) -> Arc<Pool> {
        let mut kept = self.0.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let leads_there = |pool: &&Arc<Pool>| {
            let endpoint = pool.endpoint();
            endpoint.authority() == to.authority() && endpoint.scheme() == to.scheme()
        };
        if let Some(pool) = kept.as_ref().filter(leads_there) {
            return Arc::clone(pool);
        }
        let roots_pem = self.0.roots_pem.clone();
        let pool = Pool::new(to.clone(), roots_pem, ANSWER_MAX_BYTES);
        Arc::clone(kept.insert(Arc::new(pool)))
    }

    async fn send(self, request: HttpRequest) -> Result<HttpResponse, Cause> {
        let request = request.try_into_http1x()?;
        let pool = self.pool(request.uri());
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            // Where the SDK takes a failure for the server's own, it wants to ask another one.
            let pool = pool.clone();
            capture.set_connection_retriever(move || {
                let pool = pool.clone();
                let over = ConnectionMetadata::builder().proxied(false);
                Some(over.poison_fn(move || pool.forget()).build())
            });
        }
        let answer = pool.send(as_sent(request)?).await?;
        Ok(answer.map(SdkBody::from).try_into()?)
    }
}

/// A request in the form in which it travels: with its host in a header, and all of its body there.
fn as_sent(request: Request<SdkBody>) -> Result<Request<Full<Bytes>>, Cause> {
    let (mut head, body) = request.into_parts();
    let body = body.bytes().ok_or("a body that is not there yet")?;
    let body = Full::new(Bytes::copy_from_slice(body));
    let authority = head.uri.authority().ok_or("a request to nowhere")?;
    let host = HeaderValue::from_str(authority.as_str())?;
    head.headers.entry(header::HOST).or_insert(host);
    let path = head.uri.path_and_query().cloned();
    head.uri = path.map_or_else(Uri::default, Uri::from);
    Ok(Request::from_parts(head, body))
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sent = self.clone().send(request);
        // The SDK takes that for something to try again.
        HttpConnectorFuture::new(async { sent.await.map_err(ConnectorError::io) })
    }
}

impl HttpClient for Transport {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
