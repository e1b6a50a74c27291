//! A Secrets Manager: it returns the three secrets of the template, and counts the reads.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use shared::config::variable;
use tokio::net::TcpListener;

use super::client::ORIGIN_KEY;
use crate::runtime::Problem;
use crate::system::{APP_ID, APP_KEY, APP_SECRET};

/// What each function has as its variable, in place of what `local` would give it.
const NAMES: [(&str, &str); 3] = [
    (variable::APPS_SECRET, "apps"),
    (variable::OWN_KEY_SECRET, "own-key"),
    (variable::ORIGIN_KEY_SECRET, "origin-key"),
];

/// Secrets. It ends with the runtime.
pub(crate) struct Secrets {
    base: String,
    reads: Arc<AtomicU64>,
}

impl Secrets {
    /// Starts it on any free port.
    pub(crate) async fn start() -> Result<Self, Problem> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let reads = Arc::new(AtomicU64::new(0));
        let router = Router::new().fallback(give).with_state(reads.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { base, reads })
    }

    /// How often it was asked so far.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Arguments of `local` that have the functions read their secrets here, as on AWS.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = String> {
        let endpoint = format!("{}={}", variable::SECRETS_ENDPOINT, self.base);
        let instead = [variable::APPS, variable::OWN_KEY].map(|name| format!("{name}="));
        let names = NAMES.map(|(variable, name)| format!("{variable}={name}"));
        let variables = instead.into_iter().chain(names).chain([endpoint]);
        variables.flat_map(|variable| ["--env".to_owned(), variable])
    }
}

async fn give(State(reads): State<Arc<AtomicU64>>, body: Bytes) -> (StatusCode, String) {
    reads.fetch_add(1, Ordering::Relaxed);
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let own_key = "own-key-of-a-day-that-nobody-lives-through";
    let secret = match asked["SecretId"].as_str() {
        Some("apps") => json!({"id": APP_ID, "key": APP_KEY, "secret": APP_SECRET}).to_string(),
        Some("own-key") => own_key.to_owned(),
        Some("origin-key") => ORIGIN_KEY.to_owned(),
        Some(_) | None => {
            let problem = json!({"__type": "ResourceNotFoundException"});
            return (StatusCode::BAD_REQUEST, problem.to_string());
        }
    };
    let answer = json!({"ARN": "arn", "Name": "name", "VersionId": "1", "SecretString": secret});
    (StatusCode::OK, answer.to_string())
}
