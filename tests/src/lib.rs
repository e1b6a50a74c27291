//! What the tests stand on: the real system as child processes, a socket that waits for frames,
//! and requests signed by an implementation that shares nothing with the one under test.

mod faults;
mod http;
mod secrets_manager;
mod session;
mod socket;
mod stream;
mod system;
mod table;
mod webhook_receiver;

pub use faults::{Faults, Made};
pub use http::{
    App, Reply, body_digest, hmac_hex, now_secs, signed_query, signed_query_as, signed_query_with,
};
pub use secrets_manager::SecretsManager;
pub use session::Session;
pub use socket::{Socket, inner};
pub use stream::Stream;
pub use system::{System, binary, target, workspace};
pub use table::Table;
pub use webhook_receiver::{Answers, Receiver, Told};

use std::time::Duration;

/// How long anything awaited may take. Long, because these machines are shared; no test ever
/// waits this long unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);
