//! `$connect`: admits a connection, answers, and greets it after the answer.

use std::process::ExitCode;
use std::sync::Arc;

use crate::events::websocket::{Answer, WebSocketEvent};
use crate::runtime::greet::{GreetLayer, Pending};
use crate::runtime::log;
use crate::runtime::run::{around, ended, reading};
use crate::runtime::start::deployment;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde::{Deserialize, Serialize};
use shared::aws::invoke::SelfInvoker;
use shared::config::GreetVia;
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::connections::admission::{self, Greeting, Upgrade};
use shared::deployment::Deployment;
use shared::model::app::Apps;
use shared::model::voice::Voice;

/// The query parameters that the path becomes, and the protocol's own.
const APP_KEY: &str = "app_key";
const TOKEN: &str = "token";
const PROTOCOL: &str = "protocol";

/// A client at the door, or what this function asks of itself (`GREET_VIA=invoke`).
#[derive(Deserialize)]
#[serde(untagged)]
enum Event {
    Greet(Greet),
    Upgrade(WebSocketEvent),
}

#[derive(Serialize, Deserialize)]
struct Greet {
    greet: Greeting,
}

#[derive(Clone)]
struct Connect {
    deployment: Arc<Deployment>,
    pending: Pending,
    invoker: Option<SelfInvoker>,
}

impl Connect {
    async fn handle(self, event: Event) -> Result<Answer, Diagnostic> {
        match event {
            Event::Greet(Greet { greet }) => {
                let services = crate::runtime::start::services(&self.deployment).await?;
                admission::greet(&services, greet, crate::runtime::start::now()).await;
                Ok(Answer::OK)
            }
            Event::Upgrade(event) => self.admit(event).await,
        }
    }

    async fn admit(self, mut event: WebSocketEvent) -> Result<Answer, Diagnostic> {
        log::about(&event.request_context.connection_id);
        let now = event.request_context.request_time_epoch;
        let upgrade = Upgrade {
            app_key: event.take_parameter(APP_KEY),
            protocol: event.take_parameter(PROTOCOL),
            token: event.take_parameter(TOKEN),
            origin: event.header("origin"),
            id: event.request_context.connection_id,
            connected_at: event.request_context.connected_at,
            voice: Voice::default(),
        };
        let key = upgrade.app_key.clone();
        let knows = |apps: &Apps| key.as_ref().is_none_or(|key| apps.by_key(key).is_some());
        let failed = |fault| crate::runtime::start::failed(&fault);
        let services = self.deployment.services_where(now, knows).await;
        let services = services.map_err(failed)?;
        let admitted = admission::admit(&services, upgrade, now).await;
        match (admitted.map_err(failed)?, self.invoker) {
            (None, _) => {}
            (Some(greeting), None) => self.pending.leave(services, greeting),
            (Some(greet), Some(invoker)) => {
                let payload = serde_json::to_vec(&Greet { greet }).expect("strings always print");
                invoker.invoke(payload).await.map_err(failed)?;
            }
        }
        Ok(Answer::OK)
    }
}

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let config = crate::runtime::start::start_with(&[LATER_QUEUE_URL, WEBHOOK_QUEUE_URL]);
    let connect = Connect {
        deployment: Arc::new(deployment(&config)),
        pending: Pending::default(),
        invoker: (config.greet_via == GreetVia::Invoke).then(|| SelfInvoker::new(&config)),
    };
    let deployment = connect.deployment.clone();
    let greet = GreetLayer(connect.pending.clone());
    let handler =
        service_fn(move |event: LambdaEvent<Event>| connect.clone().handle(event.payload));
    let runtime = Runtime::new(reading(handler)).layer(greet);
    ended(runtime.layer(around(&deployment)).run().await)
}
