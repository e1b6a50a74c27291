//! The server that an app's webhooks go to.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::runtime::Problem;
use crate::storm::history::Hook;
use crate::storm::plan::world::APPS;

type Told = mpsc::UnboundedSender<Hook>;

/// Where webhooks go, and what they say.
pub(crate) struct Hooks {
    pub(crate) url: String,
    pub(crate) told: mpsc::UnboundedReceiver<Hook>,
}

impl Hooks {
    /// Listens until the process ends.
    pub(crate) async fn start() -> Result<Self, Problem> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/hooks", listener.local_addr()?);
        let (tell, told) = mpsc::unbounded_channel();
        let router = Router::new()
            .route("/hooks", post(take))
            .with_state(Arc::new(tell));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, told })
    }
}

async fn take(State(told): State<Arc<Told>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let app = &APPS[0];
    let text = String::from_utf8_lossy(&body);
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let signed = header("x-pusher-key") == Some(app.key)
        && header("x-pusher-signature") == Some(app.sign(&text).as_str());
    let said: Value = serde_json::from_str(&text).unwrap_or_default();
    for event in said["events"].as_array().into_iter().flatten() {
        let text = |name: &str| event[name].as_str().map(str::to_owned);
        let hook = Hook {
            name: text("name").unwrap_or_default(),
            channel: app.name(&text("channel").unwrap_or_default()),
            user: text("user_id").map(|user| app.name(&user)),
            time_ms: said["time_ms"].as_u64().unwrap_or(0),
            signed,
        };
        // Whoever listens may be gone.
        let _ = told.send(hook);
    }
    StatusCode::OK
}
