//! Requests to the HTTP API, signed as a server SDK signs them.

use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Digest as _;
use serde_json::Value;

use crate::system::System;

/// What a request was answered.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body as it came.
    pub text: String,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// A header, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// HMAC-SHA256 in lower-case hex.
#[must_use]
pub fn hmac_hex(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// MD5 in lower-case hex.
#[must_use]
pub fn body_digest(body: &[u8]) -> String {
    hex::encode(md5::Md5::digest(body))
}

/// The query that signs a request with the default app's key, at a time given in unix seconds.
#[must_use]
pub fn signed_query(method: &str, path: &str, body: &[u8], at_secs: u64) -> String {
    signed_query_with(method, path, &[], body, at_secs)
}

/// The same for a request with parameters of its own, which come after `auth_version` and need no
/// escaping.
#[must_use]
pub fn signed_query_with(
    method: &str,
    path: &str,
    parameters: &[(&str, &str)],
    body: &[u8],
    at_secs: u64,
) -> String {
    signed_query_as(APP, method, path, parameters, body, at_secs)
}

/// An app, as a server that signs knows it: its key and its secret.
pub type App<'a> = (&'a str, &'a str);

/// The default app.
const APP: App<'static> = ("local-key", "local-secret");

/// The same for any app.
#[must_use]
pub fn signed_query_as(
    (key, secret): App<'_>,
    method: &str,
    path: &str,
    parameters: &[(&str, &str)],
    body: &[u8],
    at_secs: u64,
) -> String {
    let (at, digest) = (at_secs.to_string(), body_digest(body));
    let mut pairs = vec![
        ("auth_key", key),
        ("auth_timestamp", &at),
        ("auth_version", "1.0"),
    ];
    if !body.is_empty() {
        pairs.push(("body_md5", &digest));
    }
    pairs.extend(parameters);
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let query = pairs.join("&");
    let signature = hmac_hex(secret, &format!("{method}\n{path}\n{query}"));
    format!("{query}&auth_signature={signature}")
}

/// The time in unix seconds.
///
/// # Panics
/// Before 1970.
#[must_use]
pub fn now_secs() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}

impl System {
    /// Sends a request as it is.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn request(&self, method: &str, target: &str, body: Vec<u8>) -> Reply {
        self.request_with(method, target, &[], body).await
    }

    /// The same with headers of its own.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn request_with(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Reply {
        let method = method.parse().expect("a method");
        let mut request = self
            .client()
            .request(method, format!("{}{target}", self.base))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body);
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Reply {
            status,
            headers,
            text: answer.text().await.expect("a body"),
        }
    }

    /// Posts a body, signed with the default app's key.
    pub async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        let body = body.into();
        let query = signed_query("POST", path, &body, now_secs());
        self.request("POST", &format!("{path}?{query}"), body).await
    }

    /// Gets what is at a path, signed with the default app's key.
    pub async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Reply {
        let query = signed_query_with("GET", path, parameters, &[], now_secs());
        self.request("GET", &format!("{path}?{query}"), Vec::new())
            .await
    }

    /// Publishes an event, which must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub async fn publish(&self, body: Value) {
        let reply = self.post("/apps/1001/events", body.to_string()).await;
        assert_eq!((reply.status, reply.text.as_str()), (200, "{}"), "{body}");
    }

    /// Issues a token, which must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub async fn token(&self, body: Value) -> String {
        let reply = self.post("/apps/1001/tokens", body.to_string()).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["token"].as_str().expect("a token").to_owned()
    }

    /// Polls channels after some serials.
    pub async fn poll(&self, query: &str) -> Reply {
        self.request("GET", &format!("/status/local-key?{query}"), Vec::new())
            .await
    }
}
