//! An app's server, which receives webhooks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::http::hmac_hex;
use crate::patience::PATIENCE;

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Answers it with a status; a redirect leads to `/elsewhere`.
    With(u16),
    /// Never answers.
    Never,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it came.
    pub body: String,
    /// When it came.
    pub at: Instant,
}

impl Told {
    /// The body.
    ///
    /// # Panics
    /// When it is no JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// The events in it.
    ///
    /// # Panics
    /// When there is no list of them.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.json()["events"].as_array().expect("events").clone()
    }

    /// A header, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Checks that it was signed with the default app's secret.
    ///
    /// # Panics
    /// When it was not.
    pub fn is_signed(&self) {
        let signature = hmac_hex("local-secret", &self.body);
        assert_eq!(self.header("x-pusher-key"), Some("local-key"));
        assert_eq!(self.header("x-pusher-signature"), Some(signature.as_str()));
        assert_eq!(self.header("content-type"), Some("application/json"));
    }
}

#[derive(Default)]
struct Came {
    told: Vec<Told>,
    /// What it does with those that come next; then it takes them in.
    next: Vec<Answers>,
    always: Option<Answers>,
}

/// The server. It ends with the test's runtime.
#[derive(Clone)]
pub struct Receiver {
    /// `http://127.0.0.1:{port}`.
    pub base: String,
    came: Arc<Mutex<Came>>,
}

impl Receiver {
    /// Starts one that takes everything in, on any free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let came = Arc::new(Mutex::new(Came::default()));
        let router = Router::new()
            .route("/told", get(tell))
            .fallback(take)
            .with_state(came.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            base: format!("http://{address}"),
            came,
        }
    }

    fn came(&self) -> MutexGuard<'_, Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it does with the next requests.
    pub fn answers_next(&self, next: &[Answers]) {
        self.came().next = next.to_vec();
    }

    /// What it does with all requests from now on.
    pub fn answers(&self, always: Answers) {
        self.came().always = Some(always);
    }

    /// What came so far.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        self.came().told.clone()
    }

    /// The events that came so far, ordered by their text: a queue has no order.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        let mut events: Vec<Value> = self.told().iter().flat_map(Told::events).collect();
        events.sort_by_key(Value::to_string);
        events
    }

    /// Waits until so many requests came.
    ///
    /// # Panics
    /// When they do not.
    pub async fn until(&self, count: usize) -> Vec<Told> {
        let started = Instant::now();
        loop {
            let told = self.told();
            if told.len() >= count {
                return told;
            }
            assert!(started.elapsed() < PATIENCE, "not {count}: {told:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// What came, for a test that is another process.
async fn tell(State(came): State<Arc<Mutex<Came>>>) -> String {
    let came = came.lock().unwrap_or_else(PoisonError::into_inner);
    let told = came.told.iter().map(|told| {
        let names = told.headers.keys().map(|name| name.as_str());
        let headers = names.map(|name| (name.to_owned(), json!(told.header(name))));
        json!({ "headers": Value::Object(headers.collect()), "rawBody": told.body })
    });
    Value::from_iter(told).to_string()
}

async fn take(
    State(came): State<Arc<Mutex<Came>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answers = {
        let mut came = came.lock().unwrap_or_else(PoisonError::into_inner);
        came.told.push(Told {
            path: uri.path().to_owned(),
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            at: Instant::now(),
        });
        if came.next.is_empty() {
            came.always.unwrap_or(Answers::With(200))
        } else {
            came.next.remove(0)
        }
    };
    match answers {
        Answers::Never => std::future::pending().await,
        Answers::With(status) => {
            let status = StatusCode::from_u16(status).expect("a status");
            let body = json!({"taken": true}).to_string();
            let mut answer = (status, body).into_response();
            let elsewhere = HeaderValue::from_static("/elsewhere");
            answer.headers_mut().insert(header::LOCATION, elsewhere);
            answer
        }
    }
}
