//! Connections to API Gateway that are kept from one post to the next, and from one invocation to the
//! next. Each has a task of its own and carries one post at a time; a post whose caller has stopped
//! waiting takes its connection with it.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use tower::ServiceExt as _;

use crate::limits::POST_TIMEOUT;
use crate::tls::{self, Trust};

/// How long a kept connection may idle before a new one is opened instead. Short, because a
/// frozen Lambda does not see the other end close it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one may idle before it is looked at whether the other end has closed it: the function may
/// have been frozen meanwhile. Those of posts that follow one another are spared that.
const UNWATCHED: Duration = Duration::from_millis(10);
/// Bytes of an answer that are read: enough to keep the connection, whatever it says.
const ANSWER_MAX_BYTES: usize = 65_536;

pub(super) type Cause = Box<dyn StdError + Send + Sync>;
type Post = Request<Full<Bytes>>;
type Sender = SendRequest<Full<Bytes>>;

/// Connections to one endpoint: as many as there ever were posts at once.
pub(super) struct Pool {
    connector: HttpsConnector<HttpConnector>,
    endpoint: Uri,
    /// Those without a post, the one used last at the end.
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    sender: Sender,
    since: Instant,
}

/// Why there is no answer.
enum Unanswered {
    /// The connection was closed before anything of the post was written to it.
    Unsent(Box<Post>, Cause),
    /// It may have been processed.
    Lost(Cause),
}

impl Pool {
    /// Opens nothing yet, and believes what these roots certify.
    pub(super) fn new(endpoint: Uri, roots_pem: &str) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(POST_TIMEOUT));
        let trust = if endpoint.scheme() == Some(&http::uri::Scheme::HTTP) {
            Trust::Nobody
        } else {
            Trust::These(roots_pem)
        };
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::client(trust))
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Self {
            connector,
            endpoint,
            idle: Mutex::default(),
        }
    }

    /// Sends a post, which names its host, and reads its answer to the end. A kept connection may have
    /// been closed meanwhile: a post that was not written to it goes over a new one, once.
    ///
    /// # Errors
    /// There is no answer: it may have been processed.
    pub(super) async fn send(&self, post: Post) -> Result<StatusCode, Cause> {
        let post = match self.kept().await {
            None => post,
            Some(sender) => match self.send_over(sender, post).await {
                Ok(status) => return Ok(status),
                Err(Unanswered::Lost(cause)) => return Err(cause),
                Err(Unanswered::Unsent(post, _)) => *post,
            },
        };
        let sender = self.open().await?;
        match self.send_over(sender, post).await {
            Ok(status) => Ok(status),
            Err(Unanswered::Lost(cause) | Unanswered::Unsent(_, cause)) => Err(cause),
        }
    }

    async fn send_over(&self, mut sender: Sender, post: Post) -> Result<StatusCode, Unanswered> {
        let answer = match sender.try_send_request(post).await {
            Ok(answer) => answer,
            Err(mut error) => {
                let unsent = error.take_message();
                let cause = error.into_error().into();
                return Err(match unsent {
                    Some(post) => Unanswered::Unsent(Box::new(post), cause),
                    None => Unanswered::Lost(cause),
                });
            }
        };
        let status = answer.status();
        read_to_end(answer).await.map_err(Unanswered::Lost)?;
        self.keep(sender);
        Ok(status)
    }

    async fn open(&self) -> Result<Sender, Cause> {
        let stream = self
            .connector
            .clone()
            .oneshot(self.endpoint.clone())
            .await?;
        let (sender, connection) = http1::handshake(stream).await?;
        // It ends with its sender. What goes wrong on it, the post that it goes wrong for is told.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    /// A kept connection that is open as far as is known, and ready for a post.
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

/// Without this the connection cannot be used again.
async fn read_to_end(answer: Response<Incoming>) -> Result<(), Cause> {
    let body = answer.into_body();
    if !body.is_end_stream() {
        Limited::new(body, ANSWER_MAX_BYTES).collect().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
