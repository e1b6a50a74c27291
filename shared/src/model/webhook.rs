//! Webhooks: what an app's own server is told of without asking ("Pusher webhooks"). Which events
//! there are and how they are written; below, which of its webhooks an app wants them at, and the
//! messages that carry them there.

mod event;
mod message;
mod resting;
mod target;

pub use self::event::{Event, Kind, is_back};
pub use self::message::{Happened, Message, Outgoing, Tried};
pub use self::resting::Resting;
pub use self::target::{KEY_HEADER, SIGNATURE_HEADER, Webhook};
