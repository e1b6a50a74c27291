//! `@connections`: posting to a connection and closing it.
//!
//! A post takes the project's own path (one pool of kept connections, one signature scheme with
//! everything cached that can be): the SDK spends four times as much on one. Closing is rare and
//! takes the SDK. Neither is repeated here: who posts decides what an outcome means.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::signer::{Signer, escape_segment};
use crate::config::Config;
use crate::error::Fault;
use crate::limits::{POST_CONCURRENCY, POST_TIMEOUT};
use crate::socket_id::ConnectionId;
use crate::tls::{self, Trust};

/// How long a kept connection may idle before a new one is opened instead. Short, because a
/// frozen Lambda does not see the other end close it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of an answer that are read: enough to keep the connection, whatever it says.
const ANSWER_MAX_BYTES: usize = 65_536;

/// A frame ready to be posted: hashed once, however many get it.
#[derive(Clone)]
pub struct Payload {
    body: Bytes,
    digest: String,
}

impl Payload {
    /// The frame.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }
}

impl From<Bytes> for Payload {
    fn from(body: Bytes) -> Self {
        let digest = hex::encode(Sha256::digest(&body));
        Self { body, digest }
    }
}

/// What became of a post.
#[derive(Debug)]
pub enum Posted {
    /// API Gateway has it.
    Delivered,
    /// There is no such connection (any more, or yet).
    Gone,
    /// Refused for want of capacity, the account's or this client's: not processed.
    Throttled,
    /// No answer, or none that can be understood: it may have been processed.
    Failed(Fault),
}

/// Whether API Gateway still has a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It does.
    There,
    /// It does not.
    Gone,
}

/// The `@connections` of one stage. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    client: Client,
    pool: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: Uri,
    signer: Arc<Signer>,
    in_flight: Arc<Semaphore>,
}

impl Connections {
    /// A client that opens nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let endpoint = config.connections_endpoint.clone();
        let sdk = aws_sdk_apigatewaymanagement::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(super::credentials(&config.aws_keys))
            .endpoint_url(endpoint.to_string())
            .http_client(super::http_client(Some(&endpoint.to_string())))
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(POST_TIMEOUT)
                    .build(),
            )
            .build();
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(POST_TIMEOUT));
        let connector = connector(&endpoint, tcp);
        let pool = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(POST_CONCURRENCY)
            .build(connector);
        let host = endpoint
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        let signer = Signer::new(config.aws_keys.clone(), config.region.clone(), host);
        Self {
            client: Client::from_conf(sdk),
            pool,
            endpoint,
            signer: Arc::new(signer),
            in_flight: Arc::new(Semaphore::new(POST_CONCURRENCY)),
        }
    }

    /// Posts a frame to one connection: one attempt of at most 2 s, at most one delivery. At most
    /// [`POST_CONCURRENCY`] are in flight at once; the others wait their turn.
    pub async fn post(&self, id: &ConnectionId, payload: &Payload) -> Posted {
        let _turn = self
            .in_flight
            .acquire()
            .await
            .expect("the semaphore is never closed");
        match tokio::time::timeout(POST_TIMEOUT, self.attempt(id, payload)).await {
            Ok(Ok(status)) => classify(status),
            Ok(Err(source)) => Posted::Failed(Fault::Gateway {
                operation: "post",
                source,
            }),
            Err(elapsed) => Posted::Failed(Fault::Gateway {
                operation: "post",
                source: elapsed.into(),
            }),
        }
    }

    async fn attempt(
        &self,
        id: &ConnectionId,
        payload: &Payload,
    ) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
        let path = format!(
            "{}/@connections/{}",
            self.endpoint.path().trim_end_matches('/'),
            escape_segment(id.as_str())
        );
        let signed = self
            .signer
            .sign(Method::POST.as_str(), &path, &payload.digest, super::now());
        let uri = Uri::builder()
            .scheme(self.endpoint.scheme_str().unwrap_or_default())
            .authority(
                self.endpoint
                    .authority()
                    .map_or("", http::uri::Authority::as_str),
            )
            .path_and_query(path)
            .build()?;
        let mut request = Request::post(uri)
            .header("x-amz-date", signed.date)
            .header(header::AUTHORIZATION, signed.authorization)
            .body(Full::new(payload.body.clone()))?;
        if let Some(token) = self.signer.session_token() {
            request
                .headers_mut()
                .insert("x-amz-security-token", HeaderValue::from_str(token)?);
        }
        let answer = self.pool.request(request).await?;
        let status = answer.status();
        // Read to its end, or the connection cannot be used again.
        http_body_util::Limited::new(answer.into_body(), ANSWER_MAX_BYTES)
            .collect()
            .await?;
        Ok(status)
    }

    /// Asks whether a connection is still there.
    ///
    /// # Errors
    /// [`Fault::Gateway`]: it is not known.
    pub async fn ask(&self, id: &ConnectionId) -> Result<Liveness, Fault> {
        let asked = self.client.get_connection().connection_id(id.as_str());
        match asked.send().await {
            Ok(_) => Ok(Liveness::There),
            Err(error) => match error
                .raw_response()
                .map(|response| response.status().as_u16())
            {
                Some(status) if status == StatusCode::GONE.as_u16() => Ok(Liveness::Gone),
                Some(_) | None => Err(Fault::Gateway {
                    operation: "ask",
                    source: error.into(),
                }),
            },
        }
    }

    /// Closes a connection; one that is gone is closed.
    ///
    /// # Errors
    /// [`Fault::Gateway`]: it may still be open.
    pub async fn close(&self, id: &ConnectionId) -> Result<(), Fault> {
        match self
            .client
            .delete_connection()
            .connection_id(id.as_str())
            .send()
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => match error
                .raw_response()
                .map(|response| response.status().as_u16())
            {
                Some(status) if status == StatusCode::GONE.as_u16() => Ok(()),
                Some(_) | None => Err(Fault::Gateway {
                    operation: "close",
                    source: error.into(),
                }),
            },
        }
    }
}

/// TLS, or none for a plain endpoint.
fn connector(endpoint: &Uri, tcp: HttpConnector) -> HttpsConnector<HttpConnector> {
    let trust = if endpoint.scheme() == Some(&http::uri::Scheme::HTTP) {
        Trust::Nobody
    } else {
        Trust::Aws
    };
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls::client(trust))
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp)
}

/// What API Gateway's answers to a post mean. The body is not looked at: some 410s are not JSON.
fn classify(status: StatusCode) -> Posted {
    match status {
        status if status.is_success() => Posted::Delivered,
        StatusCode::GONE => Posted::Gone,
        StatusCode::TOO_MANY_REQUESTS => Posted::Throttled,
        status => Posted::Failed(Fault::Gateway {
            operation: "post",
            source: format!("answered {status}").into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_410_means_gone_and_only_429_means_throttled() {
        assert!(matches!(classify(StatusCode::OK), Posted::Delivered));
        assert!(matches!(classify(StatusCode::GONE), Posted::Gone));
        assert!(matches!(
            classify(StatusCode::TOO_MANY_REQUESTS),
            Posted::Throttled
        ));
        for status in [400, 403, 404, 413, 500, 503] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert!(matches!(classify(status), Posted::Failed(_)), "{status}");
        }
    }
}
