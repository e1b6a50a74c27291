//! The gateway: what every request to the public port works with.

use std::sync::Arc;
use std::time::Duration;

use crate::connections::Connections;
use crate::host::Host;
use crate::stop::Stop;

/// How long a socket lives.
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
    /// Tells when to end.
    pub stop: Stop,
    /// `host:port` of the public port.
    pub domain: String,
}
