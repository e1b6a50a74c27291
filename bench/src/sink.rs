//! The receiver of posts, in place of API Gateway. It answers every post with 200, at once or after a
//! delay, and reads nothing but its length.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use crate::runtime::{Problem, single_threaded};

/// With the headers that API Gateway sends.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Date: Tue, 24 Nov 2026 12:00:00 GMT\r\n\
    Content-Length: 0\r\n\
    Connection: keep-alive\r\n\
    x-amzn-RequestId: 6f0e1f5c-5a3e-4c1d-9d5b-0c7a1e2b3f4d\r\n\
    x-amz-apigw-id: VbT2yGZbFiAEMvw=\r\n\r\n";
/// Bytes of a request, at most.
const REQUEST_MAX_BYTES: usize = 16_384;

/// A recipient's connection id, in the shape of API Gateway's: its last character is escaped in a path.
pub(crate) fn connection_id(index: usize) -> String {
    format!("{index:015x}=")
}

/// The posts that came.
pub(crate) struct Posts {
    count: AtomicU64,
    began: Instant,
    /// Nanoseconds since then.
    last_nanos: AtomicU64,
}

impl Posts {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            began: Instant::now(),
            last_nanos: AtomicU64::new(0),
        }
    }

    /// How many came.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// When the last one came.
    pub(crate) fn last(&self) -> Instant {
        self.began + Duration::from_nanos(self.last_nanos.load(Ordering::Acquire))
    }

    fn came(&self) {
        let nanos = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last_nanos.store(nanos, Ordering::Release);
        self.count.fetch_add(1, Ordering::Release);
    }
}

/// A receiver of posts.
#[derive(Args)]
pub(crate) struct Sink {
    /// Milliseconds before an answer
    #[arg(long, default_value_t = 0)]
    pub(crate) delay_ms: u64,
    /// A folder with `cert.pem` and `key.pem`; without it nothing is encrypted
    #[arg(long)]
    pub(crate) tls: Option<PathBuf>,
}

impl Sink {
    /// Prints the port, and answers until the standard input ends.
    pub(crate) fn run(&self) -> Result<(), Problem> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        println!("{}", listener.local_addr()?.port());
        std::io::stdout().flush()?;
        std::thread::spawn(|| {
            // Whoever started it has gone, however it ends.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
        let acceptor = self.tls.as_deref().map(acceptor).transpose()?;
        let delay = Duration::from_millis(self.delay_ms);
        single_threaded()?.block_on(serve(listener, delay, acceptor, Arc::new(Posts::new())))
    }
}

fn acceptor(folder: &Path) -> Result<TlsAcceptor, Problem> {
    let certificate = CertificateDer::from_pem_file(folder.join("cert.pem"))?;
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Answers whoever connects, for ever, and counts the posts.
pub(crate) async fn serve(
    listener: TcpListener,
    delay: Duration,
    acceptor: Option<TlsAcceptor>,
    posts: Arc<Posts>,
) -> Result<(), Problem> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, posts) = (acceptor.clone(), posts.clone());
        tokio::spawn(async move {
            let ended = match acceptor {
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => answer(stream, delay, &posts).await,
                    Err(error) => Err(error.into()),
                },
                None => answer(stream, delay, &posts).await,
            };
            if let Err(problem) = ended {
                eprintln!("sink: {problem}");
            }
        });
    }
}

/// Answers one request after another until the other end has gone.
async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    delay: Duration,
    posts: &Posts,
) -> Result<(), Problem> {
    let mut buffer = vec![0; REQUEST_MAX_BYTES];
    let mut filled = 0;
    loop {
        while let Some(length) = request_length(&buffer[..filled])? {
            posts.came();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            stream.write_all(ANSWER).await?;
            stream.flush().await?;
            buffer.copy_within(length..filled, 0);
            filled -= length;
        }
        if filled == buffer.len() {
            return Err("a request is too long".into());
        }
        match stream.read(&mut buffer[filled..]).await {
            // A client that exits says nothing more, and over TLS not even that.
            Ok(0) | Err(_) => return Ok(()),
            Ok(read) => filled += read,
        }
    }
}

/// The length of the first request, once all of it is there.
fn request_length(bytes: &[u8]) -> Result<Option<usize>, Problem> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(bytes)? else {
        return Ok(None);
    };
    let length = head + content_length(request.headers)?;
    Ok((length <= bytes.len()).then_some(length))
}

/// What the headers say of the body.
pub(crate) fn content_length(headers: &[httparse::Header<'_>]) -> Result<usize, Problem> {
    let length = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .ok_or("no content-length")?;
    Ok(std::str::from_utf8(length.value)?.parse()?)
}
