//! `@connections`: posting to a connection and closing it.
//!
//! Each request takes the project's own path: kept connections, and a signature with everything cached that
//! can be. `docs/performance.md` says what the SDK spends on a post. Nothing is repeated here: the caller
//! decides what an outcome means.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::clock::now;
use super::credentials::Keys;
use super::pool::{Cause, Pool, Unopened};
use super::signer::{Signer, push_segment};
use crate::config::Config;
use crate::model::error::Fault;
use crate::model::limits::{POST_CONCURRENCY, POST_TIMEOUT};
use crate::model::socket_id::ConnectionId;

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
    /// It was not sent: no connection to API Gateway could be opened.
    Unsent(Fault),
    /// No answer within 2 s: it may have been processed.
    Silent(Fault),
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
    requests: Arc<Requests>,
    /// The SHA-256 of no body, in hex: what closing and asking send.
    nothing: Arc<Payload>,
    in_flight: Arc<Semaphore>,
}

/// What all requests share.
struct Requests {
    pool: Pool,
    signer: Signer,
    host: HeaderValue,
    keys: Keys,
    /// Of a request's path, up to the connection's id.
    path: String,
}

impl Connections {
    /// A client that opens nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            requests: Arc::new(Requests::new(config, Keys::new(config))),
            nothing: Arc::new(Payload::from(Bytes::new())),
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
        match self.send("post", Method::POST, id, payload).await {
            Ok(status) => classify(status),
            Err(Fault::Gateway { operation, source }) => {
                let (is_unsent, is_silent) = (source.is::<Unopened>(), source.is::<Elapsed>());
                let fault = Fault::Gateway { operation, source };
                match (is_unsent, is_silent) {
                    (true, _) => Posted::Unsent(fault),
                    (false, true) => Posted::Silent(fault),
                    (false, false) => Posted::Failed(fault),
                }
            }
            Err(fault) => Posted::Failed(fault),
        }
    }

    /// Asks whether a connection is still there.
    ///
    /// # Errors
    /// [`Fault::Gateway`]: it is not known.
    pub async fn ask(&self, id: &ConnectionId) -> Result<Liveness, Fault> {
        let status = self.send("ask", Method::GET, id, &self.nothing).await?;
        match status {
            StatusCode::GONE => Ok(Liveness::Gone),
            status if status.is_success() => Ok(Liveness::There),
            status => Err(refused("ask", status)),
        }
    }

    /// Closes a connection; one that is gone is closed.
    ///
    /// # Errors
    /// [`Fault::Gateway`]: it may still be open.
    pub async fn close(&self, id: &ConnectionId) -> Result<(), Fault> {
        let status = self
            .send("close", Method::DELETE, id, &self.nothing)
            .await?;
        match status {
            StatusCode::GONE => Ok(()),
            status if status.is_success() => Ok(()),
            status => Err(refused("close", status)),
        }
    }

    /// One request about a connection, one attempt of at most 2 s.
    async fn send(
        &self,
        operation: &'static str,
        method: Method,
        id: &ConnectionId,
        payload: &Payload,
    ) -> Result<StatusCode, Fault> {
        let sent = self.requests.send(method, id, payload);
        let status = match timeout(POST_TIMEOUT, sent).await {
            Ok(status) => status,
            Err(elapsed) => Err(elapsed.into()),
        };
        status.map_err(|source| Fault::Gateway { operation, source })
    }
}

impl Requests {
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

    async fn send(
        &self,
        method: Method,
        id: &ConnectionId,
        payload: &Payload,
    ) -> Result<StatusCode, Cause> {
        let mut path = String::with_capacity(self.path.len() + ID_BYTES);
        path.push_str(&self.path);
        push_segment(&mut path, id.as_str());
        let keys = self.keys.get().await?;
        let (digest, at) = (&payload.digest, now());
        let signed = self.signer.sign(&keys, method.as_str(), &path, digest, at);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(DATE, signed.date)
            .header(header::AUTHORIZATION, signed.authorization)
            .body(Full::new(payload.body.clone()))?;
        if let Some(token) = signed.session_token {
            request.headers_mut().insert(SESSION_TOKEN, token);
        }
        Ok(self.pool.send(request).await?.status())
    }
}

/// What API Gateway's answers to a post mean. The body is not looked at: some 410s are not JSON.
fn classify(status: StatusCode) -> Posted {
    match status {
        status if status.is_success() => Posted::Delivered,
        StatusCode::GONE => Posted::Gone,
        StatusCode::TOO_MANY_REQUESTS => Posted::Throttled,
        status => Posted::Failed(refused("post", status)),
    }
}

fn refused(operation: &'static str, status: StatusCode) -> Fault {
    let source = format!("answered {status}").into();
    Fault::Gateway { operation, source }
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
