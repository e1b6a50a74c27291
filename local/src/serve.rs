//! Listening on loopback, and answering.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};

use crate::system::Stop;

/// Connections that may wait to be taken.
const BACKLOG: u32 = 4_096;

/// Every answer here is a whole one.
pub type Answer = Response<Full<Bytes>>;

/// Listens. What it accepts sends at once (`TCP_NODELAY` is inherited from the listener), or
/// small answers would wait for each other.
///
/// # Errors
/// A sentence that names the address.
pub fn listen(host: IpAddr, port: u16) -> Result<(TcpListener, SocketAddr), String> {
    let address = SocketAddr::new(host, port);
    let open = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.set_reuseaddr(true)?;
        socket.set_nodelay(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    open().map_err(|error: std::io::Error| format!("cannot listen on {address}: {error}"))
}

/// Answers whatever comes to a listener until the system stops.
pub async fn serve<F, R>(listener: TcpListener, mut stop: Stop, answer: F)
where
    F: Fn(Request<Incoming>, SocketAddr) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.stopped() => return,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file descriptors: some will be closed.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        let (answer, mut stop) = (answer.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answered = answer(request, peer);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::select! {
                // What a client does to its connection is its own affair.
                _ = connection => {}
                () = stop.stopped() => {}
            }
        });
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than allowed.
    TooLong,
    /// The client stopped sending it.
    Broken,
}

/// Reads a body of at most `max_bytes`.
///
/// # Errors
/// [`BodyError`].
pub async fn read_body(body: Incoming, max_bytes: usize) -> Result<Bytes, BodyError> {
    match Limited::new(body, max_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLong),
        Err(_) => Err(BodyError::Broken),
    }
}

/// An answer without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

/// An answer in JSON.
#[must_use]
pub fn json(status: StatusCode, body: &Value) -> Answer {
    let mut answer = json_bytes(body.to_string().into());
    *answer.status_mut() = status;
    answer
}

/// An answer that is JSON already.
#[must_use]
pub fn json_bytes(body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    answer
}

/// API Gateway's own answers: `{"message": …}`.
#[must_use]
pub fn message(status: StatusCode, message: &str) -> Answer {
    json(status, &serde_json::json!({ "message": message }))
}
