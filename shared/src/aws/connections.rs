//! `@connections`: posting to a connection and closing it.
//!
//! A post takes the project's own path (kept connections, and a signature with everything cached that
//! can be): what the SDK spends on one is in `docs/performance.md`. Closing is rare and takes the SDK.
//! Neither is repeated here: who posts decides what an outcome means.

use std::sync::Arc;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Region};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::credentials::Keys;
use super::pool::{Cause, Pool};
use super::signer::{Signer, push_segment};
use crate::config::Config;
use crate::error::Fault;
use crate::limits::{POST_CONCURRENCY, POST_TIMEOUT};
use crate::socket_id::ConnectionId;

/// Bytes of an answer that are read: enough to keep the connection, whatever it says.
const ANSWER_MAX_BYTES: usize = 65_536;
/// Bytes of an escaped connection id: API Gateway's have 16 characters, the last of which takes three.
const ID_BYTES: usize = 18;
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SESSION_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

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
    posts: Arc<Posts>,
    in_flight: Arc<Semaphore>,
}

/// What all posts share.
struct Posts {
    pool: Pool,
    signer: Signer,
    host: HeaderValue,
    keys: Keys,
    /// Of a post's path, up to the connection's id.
    path: String,
}

impl Connections {
    /// A client that opens nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let endpoint = config.connections_endpoint.clone();
        let keys = Keys::new(config);
        let sdk = aws_sdk_apigatewaymanagement::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(keys.clone())
            .endpoint_url(endpoint.to_string())
            .http_client(super::transport::Transport::new(config))
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(POST_TIMEOUT)
                    .build(),
            )
            .build();
        Self {
            client: Client::from_conf(sdk),
            posts: Arc::new(Posts::new(config, keys)),
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
        match tokio::time::timeout(POST_TIMEOUT, self.posts.post(id, payload)).await {
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

impl Posts {
    fn new(config: &Config, keys: Keys) -> Self {
        let endpoint = config.connections_endpoint.clone();
        let host = endpoint
            .authority()
            .map_or("", |authority| authority.as_str());
        Self {
            signer: Signer::new(config.region.clone(), host.to_owned()),
            host: HeaderValue::from_str(host).expect("an authority has visible characters alone"),
            keys,
            path: format!("{}/@connections/", endpoint.path().trim_end_matches('/')),
            pool: Pool::new(endpoint, config.aws_roots_pem.clone(), ANSWER_MAX_BYTES),
        }
    }

    async fn post(&self, id: &ConnectionId, payload: &Payload) -> Result<StatusCode, Cause> {
        let mut path = String::with_capacity(self.path.len() + ID_BYTES);
        path.push_str(&self.path);
        push_segment(&mut path, id.as_str());
        let keys = self.keys.get().await?;
        let method = Method::POST.as_str();
        let signed = self
            .signer
            .sign(&keys, method, &path, &payload.digest, super::now());
        let mut post = Request::post(path)
            .header(header::HOST, &self.host)
            .header(DATE, signed.date)
            .header(header::AUTHORIZATION, signed.authorization)
            .body(Full::new(payload.body.clone()))?;
        if let Some(token) = signed.session_token {
            post.headers_mut().insert(SESSION_TOKEN, token);
        }
        Ok(self.pool.send(post).await?.status())
    }
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
