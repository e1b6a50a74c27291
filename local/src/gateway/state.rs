//! The state that every request to the public port shares, and how a socket's event invokes a
//! function.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::connections::Connections;
use crate::faults::in_force::InForce;
use crate::faults::rules::SocketEvent;
use crate::host::dispatch::Host;
use crate::host::invocation::Outcome;
use crate::serving::stop::Stop;

/// How long a socket may live.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Without traffic.
    pub idle: Duration,
    /// At all.
    pub age: Duration,
}

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    /// The functions.
    pub host: Host,
    /// The open sockets.
    pub connections: Arc<Connections>,
    /// How long a socket lives.
    pub limits: Limits,
    /// Whether `disconnect` is invoked when a socket ends.
    pub disconnects: bool,
    /// The faults that its invocations may meet.
    pub faults: Option<InForce>,
    /// Tells when to end.
    pub stop: Stop,
    /// `host:port` of the public port.
    pub domain: String,
}

impl Gateway {
    /// Invokes `connect` or `message` for a connection. `None`: a fault has swallowed it.
    pub(crate) async fn invoke(
        &self,
        invocation: SocketEvent,
        connection: &str,
        event: &Value,
    ) -> Option<Outcome> {
        let event = event.to_string();
        if self.admits(invocation, connection, &event).await {
            Some(self.host.invoke(invocation.function(), event.into()).await)
        } else {
            None
        }
    }

    /// Invokes `disconnect` for a connection: nobody waits for the answer.
    pub(crate) async fn disconnect(&self, connection: &str, event: &Value) {
        let invocation = SocketEvent::Disconnect;
        let event = event.to_string();
        if self.disconnects && self.admits(invocation, connection, &event).await {
            let function = invocation.function();
            self.host.invoke_async(function, event.into()).await;
        }
    }

    /// Whether an invocation is to happen, as soon as nothing holds it.
    async fn admits(&self, invocation: SocketEvent, connection: &str, event: &str) -> bool {
        let Some(faults) = &self.faults else {
            return true;
        };
        let mut stop = self.stop.clone();
        tokio::select! {
            admitted = faults.admit(invocation, connection, event) => admitted,
            () = stop.stopped() => false,
        }
    }
}
