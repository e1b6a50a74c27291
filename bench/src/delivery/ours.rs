//! Our path: the code that the functions post with.

use futures_util::{StreamExt as _, stream};
use shared::aws::connections::{Connections, Payload, Posted};
use shared::config::{Config, variable};
use shared::model::socket_id::ConnectionId;

use super::load::{KEY_ID, Load, REGION, SECRET, Taken, frame, session_token};
use crate::runtime::Problem;
use crate::sink::connection_id;

/// What the app of the configuration is; nothing is asked of it.
const APPS: &str = r#"[{"id":"1","key":"key","secret":"secret"}]"#;

pub(super) async fn publish(load: &Load) -> Result<Taken, Problem> {
    let connections = Connections::new(&config(load)?);
    let payload = Payload::from(frame());
    load.measure(|posts| {
        let (connections, payload) = (&connections, &payload);
        stream::iter(posts)
            .map(move |index| async move {
                let id = ConnectionId::new(connection_id(index));
                connections.post(&id, payload).await
            })
            .buffer_unordered(load.in_flight)
            .filter(|posted| std::future::ready(!matches!(posted, Posted::Delivered)))
            .count()
    })
    .await
}

fn config(load: &Load) -> Result<Config, Problem> {
    let lookup = |name: &str| {
        let value = match name {
            variable::APPS => APPS.to_owned(),
            variable::TABLE_NAME | variable::FUNCTION_NAME => "bench".to_owned(),
            variable::CONNECTIONS_ENDPOINT => load.endpoint.to_string(),
            variable::REGION => REGION.to_owned(),
            variable::ACCESS_KEY_ID => KEY_ID.to_owned(),
            variable::SECRET_ACCESS_KEY => SECRET.to_owned(),
            variable::SESSION_TOKEN => session_token(),
            variable::CA_BUNDLE => return std::env::var(name).ok(),
            _ => return None,
        };
        Some(value)
    };
    Ok(Config::from(lookup, &[])?)
}
