//! A Secrets Manager, which returns the secrets that a test sets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Default)]
struct Kept {
    value: Option<String>,
    reads: usize,
}

/// One with one secret, whatever name it is asked for by. It ends with the test's runtime.
pub struct SecretsManager {
    /// `http://127.0.0.1:{port}`.
    pub base: String,
    kept: Arc<Mutex<Kept>>,
}

impl SecretsManager {
    /// Starts one that has nothing, on any free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let kept = Arc::new(Mutex::new(Kept::default()));
        let router = Router::new().fallback(give).with_state(kept.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            base: format!("http://{address}"),
            kept,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a value in the place of the one before; with `None` every reading fails.
    pub fn put(&self, value: Option<&Value>) {
        self.kept().value = value.map(Value::to_string);
    }

    /// How often it was asked so far.
    #[must_use]
    pub fn reads(&self) -> usize {
        self.kept().reads
    }
}

async fn give(
    State(kept): State<Arc<Mutex<Kept>>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    let target = headers.get("x-amz-target").map(|target| target.as_bytes());
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.reads += 1;
    match (target, &asked["SecretId"], &kept.value) {
        (Some(b"secretsmanager.GetSecretValue"), Value::String(id), Some(value)) => {
            let answer = json!({"ARN": id, "Name": id, "VersionId": "1", "SecretString": value});
            (StatusCode::OK, Json(answer))
        }
        _ => {
            let problem = json!({"__type": "ResourceNotFoundException"});
            (StatusCode::BAD_REQUEST, Json(problem))
        }
    }
}
