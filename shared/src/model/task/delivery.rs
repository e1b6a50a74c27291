//! A delivery: one frame on its way to one shard of a large channel, as it waits in the queue.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::model::channel::Channel;
use crate::model::socket_id::SocketId;
use crate::model::time::UnixMillis;

/// What tells a delivery from the others to its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryName {
    /// The serial of a publication, which a publisher that tries again has again.
    Serial(u64),
    /// A client event has no serial.
    ClientEvent(Uuid),
}

/// One frame, to one shard.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The app's id.
    pub app_id: String,
    /// The channel.
    pub channel: Channel,
    /// The shard.
    pub shard: u32,
    /// How many shards there were.
    pub shards: u32,
    /// How many subscribers were counted.
    pub subscribers: u64,
    /// Which of those to this shard it is.
    pub name: DeliveryName,
    /// When it was published.
    pub at: UnixMillis,
    /// The socket that is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<SocketId>,
    /// The frame, for everybody the same.
    pub frame: String,
}

/// Without the frame: what is published is not for the log.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("app_id", &self.app_id)
            .field("channel", &self.channel)
            .field("shard", &self.shard)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl DeliveryName {
    /// The serial of a publication.
    #[must_use]
    pub const fn serial(self) -> Option<u64> {
        match self {
            Self::Serial(serial) => Some(serial),
            Self::ClientEvent(_) => None,
        }
    }
}

impl fmt::Display for DeliveryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(serial) => write!(f, "{serial}"),
            Self::ClientEvent(id) => write!(f, "{id}"),
        }
    }
}

impl Delivery {
    /// What it is in order with: all that goes to the same shard. 64 characters, where SQS takes 128:
    /// the names of a channel and of an app can be longer.
    #[must_use]
    pub fn group(&self) -> String {
        self.hashed("")
    }

    /// What it is known by when it is queued again: the same for the same frame to the same shard. As
    /// long.
    #[must_use]
    pub fn deduplication(&self) -> String {
        self.hashed(&self.name.to_string())
    }

    /// Neither an app's id nor a channel's name can hold a `/`.
    fn hashed(&self, name: &str) -> String {
        let of = format!("{}/{}/{}/{name}", self.app_id, self.channel, self.shard);
        hex::encode(Sha256::digest(of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::EventData;
    use crate::model::limits::{EVENT_DATA_MAX_BYTES, QUEUE_BATCH_MAX, QUEUE_REQUEST_MAX_BYTES};
    use crate::model::task::Task;
    use crate::pusher::frame;

    fn delivery(channel: &str, shard: u32, serial: u64) -> Delivery {
        Delivery {
            app_id: "1001".to_owned(),
            channel: Channel::parse(channel).expect(channel),
            shard,
            shards: 3,
            subscribers: 2_500,
            name: DeliveryName::Serial(serial),
            at: UnixMillis(1_000),
            except: None,
            frame: "{}".to_owned(),
        }
    }

    #[test]
    fn what_goes_to_one_shard_is_in_one_group() {
        let longest = "x".repeat(200);
        let group = delivery(&longest, 1, 7).group();
        assert_eq!(group.len(), 64);
        assert_eq!(delivery(&longest, 1, 8).group(), group);
        assert_ne!(delivery(&longest, 2, 7).group(), group);
        assert_ne!(delivery("x", 1, 7).group(), group);
    }

    #[test]
    fn what_is_queued_again_is_known() {
        let known = delivery("orders", 1, 7).deduplication();
        assert_eq!(known.len(), 64);
        let mut again = delivery("orders", 1, 7);
        (again.at, again.subscribers) = (UnixMillis(2_000), 1);
        assert_eq!(again.deduplication(), known);
        assert_ne!(delivery("orders", 1, 8).deduplication(), known);
        assert_ne!(delivery("orders", 2, 7).deduplication(), known);
        let event = |id| {
            let name = DeliveryName::ClientEvent(Uuid::from_u128(id));
            let event = Delivery {
                name,
                ..delivery("orders", 1, 7)
            };
            event.deduplication()
        };
        assert_ne!(event(1), event(2));
    }

    #[test]
    fn a_request_holds_as_many_of_the_longest_as_it_may() {
        // Every byte of the data is escaped in the frame, and that again in the message.
        let data = "\u{1}".repeat(EVENT_DATA_MAX_BYTES);
        let data = EventData::parse(data, EVENT_DATA_MAX_BYTES).expect("it is not too long");
        let longest = "x".repeat(200);
        let channel = Channel::parse(&longest).expect("a name");
        let name = "\u{1}".repeat(200);
        let frame = frame::publication(&channel, &name, data.as_str(), 1);
        let delivery = Delivery {
            frame: String::from_utf8(frame.to_vec()).expect("JSON"),
            ..delivery(&longest, 1, u64::MAX)
        };
        let message = Task::Deliver(delivery).print();
        assert!(
            message.len() * QUEUE_BATCH_MAX < QUEUE_REQUEST_MAX_BYTES,
            "{}",
            message.len()
        );
    }

    #[test]
    fn what_is_published_is_not_logged() {
        let frame = "s3cret".to_owned();
        let delivery = Delivery {
            frame,
            ..delivery("orders", 0, 1)
        };
        assert!(!format!("{delivery:?}").contains("s3cret"));
    }
}
