//! Listening on loopback, and serving each connection until the system stops.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tower::ServiceExt as _;

use super::stop::Stop;

/// Connections that may wait to be taken.
const BACKLOG: u32 = 4_096;

/// Listens. Accepted sockets inherit `TCP_NODELAY`: without it, small answers would wait for each
/// other.
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

/// Answers whatever comes to a listener until the system stops. Then every connection is cut.
pub async fn serve(listener: TcpListener, stop: Stop, router: Router) {
    serve_with(listener, stop, move |mut request, peer| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    })
    .await;
}

/// The same without routes. An error cuts the connection instead of answering.
pub async fn serve_with<F, R, E>(listener: TcpListener, mut stop: Stop, answer: F)
where
    F: Fn(Request<Incoming>, SocketAddr) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Response, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
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
            let service = service_fn(move |request| answer(request, peer));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::select! {
                // A client may break its connection; that is no error here.
                _ = connection => {}
                () = stop.stopped() => {}
            }
        });
    }
}
