//! The floor: what no way can leave out. It keeps one socket for each post in flight, and signs with the
//! day's key and a body hash that are at hand. A post is one write, and one read up to the answer's end. It
//! retries nothing, has no timeout and trusts its input: it is a measure, not a way to deliver.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Uri;
use rustls::pki_types::ServerName;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::load::{Load, Taken, frame};
use super::signer::Signer;
use crate::runtime::Problem;
use crate::sink::{connection_id, content_length};

/// Bytes of an answer, at most.
const ANSWER_MAX_BYTES: usize = 4_096;

pub(super) async fn publish(load: &Load) -> Result<Taken, Problem> {
    let host = load.endpoint.host().ok_or("no host")?.to_owned();
    let port = load.endpoint.port_u16().ok_or("no port")?;
    let mut plain = Vec::new();
    for _ in 0..load.in_flight {
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.set_nodelay(true)?;
        plain.push(stream);
    }
    if load.endpoint.scheme() == Some(&http::uri::Scheme::HTTP) {
        return publish_over(plain, load).await;
    }
    let connector = connector()?;
    let mut encrypted = Vec::new();
    for stream in plain {
        let name = ServerName::try_from(host.clone())?;
        encrypted.push(connector.connect(name, stream).await?);
    }
    publish_over(encrypted, load).await
}

fn connector() -> Result<TlsConnector, Problem> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn publish_over<S>(streams: Vec<S>, load: &Load) -> Result<Taken, Problem>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let body = frame();
    let digest = hex::encode(Sha256::digest(&body));
    let connections = streams
        .into_iter()
        .map(|stream| FloorConnection {
            stream,
            signer: Signer::new(&load.endpoint, &digest),
            path: path_of(&load.endpoint),
            body: body.clone(),
            request: Vec::new(),
            answer: vec![0; ANSWER_MAX_BYTES],
        })
        .collect();
    let idle = RefCell::new(connections);
    load.measure(|posts| share(&idle, posts)).await
}

fn path_of(endpoint: &Uri) -> String {
    format!("{}/@connections/", endpoint.path().trim_end_matches('/'))
}

/// Has each connection take one post after another, and says how many have failed.
async fn share<S>(idle: &RefCell<Vec<FloorConnection<S>>>, posts: Range<usize>) -> usize
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let next = Arc::new(AtomicUsize::new(posts.start));
    let delivered = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for mut connection in idle.take() {
        let (next, delivered, end) = (Arc::clone(&next), Arc::clone(&delivered), posts.end);
        tasks.push(tokio::spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= end {
                    return Ok(connection);
                }
                if connection.post(&connection_id(index)).await? == 200 {
                    delivered.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
    for task in tasks {
        let ended: Result<FloorConnection<S>, Problem> =
            task.await.unwrap_or_else(|panic| Err(panic.into()));
        match ended {
            Ok(connection) => idle.borrow_mut().push(connection),
            Err(problem) => eprintln!("floor: {problem}"),
        }
    }
    posts.len() - delivered.load(Ordering::Relaxed)
}

struct FloorConnection<S> {
    stream: S,
    signer: Signer,
    /// Up to the connection's id.
    path: String,
    body: Bytes,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> FloorConnection<S> {
    /// Posts the frame, and says what was answered.
    async fn post(&mut self, id: &str) -> Result<u16, Problem> {
        self.request.clear();
        self.signer
            .print_head(&self.path, id, self.body.len(), &mut self.request);
        self.request.extend_from_slice(&self.body);
        self.stream.write_all(&self.request).await?;
        self.stream.flush().await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.answer[filled..]).await?;
            if read == 0 {
                return Err("closed, or an answer that is too long".into());
            }
            filled += read;
            if let Some(status) = status_of(&self.answer[..filled])? {
                return Ok(status);
            }
        }
    }
}

/// The status of an answer, once all of it is there.
fn status_of(bytes: &[u8]) -> Result<Option<u16>, Problem> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(bytes)? else {
        return Ok(None);
    };
    let length = head + content_length(answer.headers)?;
    Ok(answer.code.filter(|_| bytes.len() >= length))
}
