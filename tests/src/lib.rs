//! What the tests stand on. Requests are signed by code that shares nothing with the code under test.
//!
//! | file | what it is |
//! | --- | --- |
//! | `system`, `table`, `faults` | the real system as a child process, its table, its fault proxy |
//! | `socket`, `session`, `stream`, `http` | clients: a socket, a session over HTTP, server-sent events, signed requests |
//! | `webhook_receiver`, `secrets_manager` | servers that the system calls |
//! | `patience` | how long a test waits |

mod faults;
mod http;
mod patience;
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
pub use patience::PATIENCE;
pub use secrets_manager::SecretsManager;
pub use session::Session;
pub use socket::{Socket, inner};
pub use stream::Stream;
pub use system::{System, binary, target, workspace};
pub use table::Table;
pub use webhook_receiver::{Answers, Receiver, Told};
