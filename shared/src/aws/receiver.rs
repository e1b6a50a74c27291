//! Receivers of webhooks: servers of others, at addresses that others have chosen.
//!
//! A name is resolved once, and what it was resolved to is checked and connected to, so that it cannot
//! mean another address a moment later. Only public addresses are asked, unless the deployment says
//! otherwise: not this machine, not its network, and not what tells the machine its credentials.
//! A redirect is an answer like any other; nobody follows it.

use std::error::Error as StdError;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use tower::Service;

use crate::aws::tls::{self, Trust};
use crate::config::{Config, Configured, WebhooksTo};
use crate::model::limits::{WEBHOOK_ANSWER_MAX_BYTES, WEBHOOK_CONCURRENCY, WEBHOOK_TIMEOUT};

/// How we call ourselves, unless the app wants another name.
const USER_AGENT: HeaderValue = HeaderValue::from_static("lambda-channels");
/// How long a kept connection may idle before a new one is opened instead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the rest of an answer is waited for.
const BODY_PATIENCE: Duration = Duration::from_millis(500);

type Cause = Box<dyn StdError + Send + Sync>;

/// What became of a request.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was answered, but with no success.
    #[error("answered {}", .0.as_u16())]
    Refused(StatusCode),
    /// It was not answered in time: it may have been taken in.
    #[error("not answered within {} s", WEBHOOK_TIMEOUT.as_secs())]
    Hung,
    /// It did not arrive, or its answer did not.
    #[error("not reached")]
    Unreachable(#[source] Cause),
}

/// The way to all receivers. Cheap to clone.
#[derive(Clone)]
pub struct Receivers {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    to: WebhooksTo,
}

impl Receivers {
    /// A client that opens nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let to = config.webhooks_to;
        // Where the apps are not known yet, some may have such webhooks.
        let trust = match &config.apps {
            Configured::Given(apps) if !apps.have_encrypted_webhooks() => Trust::Nobody,
            Configured::Given(_) | Configured::Stored(_) => Trust::System,
        };
        let mut tcp = HttpConnector::new_with_resolver(Resolver { to });
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(WEBHOOK_TIMEOUT));
        let builder =
            hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls::client(trust));
        let builder = match to {
            WebhooksTo::Public => builder.https_only(),
            WebhooksTo::Any => builder.https_or_http(),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(WEBHOOK_CONCURRENCY)
            .build(builder.enable_http1().wrap_connector(tcp));
        Self { client, to }
    }

    /// Posts a body: one attempt, which is answered within [`WEBHOOK_TIMEOUT`] or not at all. Any status
    /// from 200 to 299 is a success.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn post(&self, url: &Uri, headers: HeaderMap, body: Bytes) -> Result<(), Failure> {
        let answer = match timeout(WEBHOOK_TIMEOUT, self.attempt(url, headers, body)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(cause)) => return Err(Failure::Unreachable(cause)),
            Err(_) => return Err(Failure::Hung),
        };
        let status = answer.status();
        // Whatever it goes on to say, the status has said it. Read to its end the connection can be
        // used again; a body that is too long or does not come ends it.
        let body = Limited::new(answer.into_body(), WEBHOOK_ANSWER_MAX_BYTES).collect();
        let _ = timeout(BODY_PATIENCE, body).await;
        if status.is_success() {
            Ok(())
        } else {
            Err(Failure::Refused(status))
        }
    }

    async fn attempt(
        &self,
        url: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, Cause> {
        // An address as it stands is not resolved.
        if let Some(address) = url.host().and_then(literal) {
            self.to.check(address)?;
        }
        let mut request = Request::post(url.clone()).body(Full::new(body))?;
        request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
        request.headers_mut().extend(headers);
        Ok(self.client.request(request).await?)
    }
}

/// The address that a host is, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bracketed.unwrap_or(host).parse().ok()
}

/// Resolves a name to the addresses that may be connected to.
#[derive(Clone)]
struct Resolver {
    to: WebhooksTo,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let to = self.to;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            for address in &found {
                // One that is not public among them is no mistake of a name server's.
                to.check(address.ip())?;
            }
            Ok(found.into_iter())
        })
    }
}

impl WebhooksTo {
    fn check(self, address: IpAddr) -> Result<(), Cause> {
        match self {
            Self::Any => Ok(()),
            Self::Public if is_public(address) => Ok(()),
            Self::Public => Err(format!("{address} is no public address").into()),
        }
    }
}

/// Whether an address is one of the internet's ("Special-Purpose Address Registries", IANA).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || match (a, b, c) {
            // "This network", shared by carriers, protocols, relays, benchmarks, multicast and reserved.
            (0 | 224.., _, _)
            | (100, 64..=127, _)
            | (192, 0, 0)
            | (192, 88, 99)
            | (198, 18 | 19, _) => true,
            _ => false,
        };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Protocols and tunnels; documentation; 6to4, in which there is any IPv4 address; documentation.
        [0x2001, 0..0x0200, ..] | [0x2001, 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..0x1000, ..] => {
            false
        }
        // All that is given out for the internet so far: no IPv4 address in another form is.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_internets_own_addresses_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "52.95.110.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2600:1f18::1",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(address.parse().expect(address)), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().expect(address)), "{address}");
        }
    }

    #[test]
    fn a_host_may_be_an_address() {
        for (host, address) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("[::1]", Some("::1")),
            ("localhost", None),
            ("1.2.3", None),
        ] {
            assert_eq!(literal(host), address.map(|text| text.parse().expect(text)));
        }
    }

    #[tokio::test]
    async fn a_name_is_as_good_as_what_it_is_resolved_to() {
        let resolved = |to, name: &'static str| async move {
            let name: Name = name.parse().expect("a name");
            Resolver { to }.call(name).await.map(Iterator::count)
        };
        let refused = resolved(WebhooksTo::Public, "localhost").await;
        assert!(refused.expect_err("refused").to_string().contains("public"));
        // An address in disguise.
        assert!(resolved(WebhooksTo::Public, "2130706433").await.is_err());
        assert!(
            resolved(WebhooksTo::Any, "localhost")
                .await
                .expect("resolved")
                > 0
        );
    }
}
