//! Connections to AWS that are kept from one request to the next, and from one invocation to the next.
//! Each has a task of its own and carries one request at a time; a request whose caller has stopped
//! waiting takes its connection with it.
//!
//! All that is spoken is HTTP/1.1: what the SDK has for HTTP/2 would be a tenth of a function.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::error::Error as StdError;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use tower::ServiceExt as _;

use crate::aws::tls::{self, Trust};

/// How long the opening of one may take: no longer than any attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a kept connection may idle before a new one is opened instead. Short, because a
/// frozen Lambda does not see the other end close it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one may idle before it is looked at whether the other end has closed it: the function may
/// have been frozen meanwhile. Those of requests that follow one another are spared that.
const UNWATCHED: Duration = Duration::from_millis(10);

pub(super) type Cause = Box<dyn StdError + Send + Sync>;
type Whole = Request<Full<Bytes>>;
type Sender = SendRequest<Full<Bytes>>;

/// Connections to one endpoint: as many as there ever were requests at once.
pub(super) struct Pool {
    connector: OnceLock<HttpsConnector<HttpConnector>>,
    endpoint: Uri,
    roots_pem: Cow<'static, str>,
    answer_max_bytes: usize,
    /// Those without a request, the one used last at the end.
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    sender: Sender,
    since: Instant,
}

/// No connection could be opened, so nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("nothing was sent")]
pub(super) struct Unopened(#[source] Cause);

/// Why there is no answer.
enum Unanswered {
    /// The connection was closed before anything of the request was written to it.
    Unsent(Box<Whole>, Cause),
    /// It may have been processed.
    Lost(Cause),
}

impl Pool {
    /// Opens nothing yet. It believes what these roots certify, and reads so much of an answer.
    pub(super) const fn new(
        endpoint: Uri,
        roots_pem: Cow<'static, str>,
        answer_max_bytes: usize,
    ) -> Self {
        Self {
            connector: OnceLock::new(),
            endpoint,
            roots_pem,
            answer_max_bytes,
            idle: Mutex::new(VecDeque::new()),
        }
    }

    /// Where it leads to.
    pub(super) const fn endpoint(&self) -> &Uri {
        &self.endpoint
    }

    /// Sends a request, which names its host, and reads its answer to the end. A kept connection may
    /// have been closed meanwhile: a request that was not written to it goes over a new one, once.
    ///
    /// # Errors
    /// There is no answer: it may have been processed, unless it is an [`Unopened`].
    pub(super) async fn send(&self, request: Whole) -> Result<Response<Bytes>, Cause> {
        let request = match self.kept().await {
            None => request,
            Some(sender) => match self.send_over(sender, request).await {
                Ok(answer) => return Ok(answer),
                Err(Unanswered::Lost(cause)) => return Err(cause),
                Err(Unanswered::Unsent(request, _)) => *request,
            },
        };
        let sender = self.open().await.map_err(Unopened)?;
        match self.send_over(sender, request).await {
            Ok(answer) => Ok(answer),
            Err(Unanswered::Lost(cause)) => Err(cause),
            Err(Unanswered::Unsent(_, cause)) => Err(Unopened(cause).into()),
        }
    }

    /// Closes those that are kept: the next request opens a new one.
    pub(super) fn forget(&self) {
        self.idle().clear();
    }

    async fn send_over(
        &self,
        mut sender: Sender,
        request: Whole,
    ) -> Result<Response<Bytes>, Unanswered> {
        let answer = match sender.try_send_request(request).await {
            Ok(answer) => answer,
            Err(mut error) => {
                let unsent = error.take_message();
                let cause = error.into_error().into();
                return Err(match unsent {
                    Some(request) => Unanswered::Unsent(Box::new(request), cause),
                    None => Unanswered::Lost(cause),
                });
            }
        };
        let answer = self.read_to_end(answer).await.map_err(Unanswered::Lost)?;
        self.keep(sender);
        Ok(answer)
    }

    /// Without this the connection cannot be used again.
    async fn read_to_end(&self, answer: Response<Incoming>) -> Result<Response<Bytes>, Cause> {
        let (head, body) = answer.into_parts();
        let body = if body.is_end_stream() {
            Bytes::new()
        } else {
            let body = Limited::new(body, self.answer_max_bytes);
            body.collect().await?.to_bytes()
        };
        Ok(Response::from_parts(head, body))
    }

    async fn open(&self) -> Result<Sender, Cause> {
        let connector = self
            .connector
            .get_or_init(|| connector(&self.endpoint, &self.roots_pem));
        let stream = connector.clone().oneshot(self.endpoint.clone()).await?;
        let (sender, connection) = http1::handshake(stream).await?;
        // It ends with its sender. What goes wrong on it, the request that it goes wrong for is told.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    /// A kept connection that is open as far as is known, and ready for a request.
    async fn kept(&self) -> Option<Sender> {
        loop {
            let last = self.idle().pop_back()?;
            let mut sender = last.sender;
            let idled = last.since.elapsed();
            if idled >= IDLE_TIMEOUT {
                continue;
            }
            if idled >= UNWATCHED {
                // At the first the runtime asks what has happened to its sockets, before the second
                // the connection's own task is told.
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
            }
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    /// Keeps a connection, and closes one that has idled too long.
    fn keep(&self, sender: Sender) {
        let since = Instant::now();
        let mut idle = self.idle();
        if idle
            .front()
            .is_some_and(|first| since.duration_since(first.since) >= IDLE_TIMEOUT)
        {
            idle.pop_front();
        }
        idle.push_back(Idle { sender, since });
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// TLS, or none for a plain endpoint.
fn connector(endpoint: &Uri, roots_pem: &str) -> HttpsConnector<HttpConnector> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let trust = if endpoint.scheme() == Some(&http::uri::Scheme::HTTP) {
        Trust::Nobody
    } else {
        Trust::These(roots_pem)
    };
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls::client(trust))
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp)
}

#[cfg(test)]
mod tests;
