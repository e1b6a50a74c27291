//! A delivery: one publication on its way to one shard of a large channel, as it waits in the queue.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::model::channel::Channel;
use crate::model::error::Fault;
use crate::model::event::EventName;
use crate::model::said::Said;
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

/// One publication, to one shard.
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
    /// What its subscribers are told.
    #[serde(flatten)]
    pub content: Content,
}

/// What the subscribers of a channel are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// What was published.
    Publication {
        /// The event's name.
        event: String,
        /// Its data.
        data: String,
    },
    /// What a client said.
    ClientEvent {
        /// The event's name.
        event: EventName,
        /// JSON, as it was sent.
        data: String,
        /// As whom the sender is on a presence channel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<String>,
    },
    /// A frame as the version before this one queued it: printed for the first voice.
    Frame(String),
}

impl Content {
    /// It as it is told. A publication has a serial.
    ///
    /// # Errors
    /// [`Fault::Task`]: it is no content that was ever queued.
    pub fn said<'a>(
        &'a self,
        channel: &'a Channel,
        serial: Option<u64>,
    ) -> Result<Said<'a>, Fault> {
        match self {
            Self::Publication { event, data } => Ok(Said::Published {
                channel,
                name: event,
                data,
                serial: serial
                    .ok_or_else(|| Fault::Task("a publication without a serial".into()))?,
            }),
            Self::ClientEvent {
                event,
                data,
                user_id,
            } => Ok(Said::ClientEvent {
                channel,
                name: event,
                data: serde_json::from_str(data).map_err(|error| Fault::Task(error.into()))?,
                user_id: user_id.as_deref(),
            }),
            // It is printed already.
            Self::Frame(_) => Ok(Said::Failed),
        }
    }

    /// The frame that is printed already.
    #[must_use]
    pub fn printed(&self) -> Option<&str> {
        match self {
            Self::Frame(frame) => Some(frame),
            Self::Publication { .. } | Self::ClientEvent { .. } => None,
        }
    }
}

/// Without its content: what is published is not for the log.
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
            content: Content::Publication {
                event: "e".to_owned(),
                data: "{}".to_owned(),
            },
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
        // Every byte of the data is escaped in the message.
        let data = "\u{1}".repeat(EVENT_DATA_MAX_BYTES);
        let data = EventData::parse(data, EVENT_DATA_MAX_BYTES).expect("it is not too long");
        let delivery = Delivery {
            content: Content::Publication {
                event: "\u{1}".repeat(200),
                data: data.as_str().to_owned(),
            },
            ..delivery(&"x".repeat(200), 1, u64::MAX)
        };
        let message = Task::Deliver(delivery).print();
        assert!(
            message.len() * QUEUE_BATCH_MAX < QUEUE_REQUEST_MAX_BYTES,
            "{}",
            message.len()
        );
    }

    #[test]
    fn what_the_version_before_has_queued_is_still_read() {
        let queued = r#"{"v":1,"type":"deliver","app_id":"1001","channel":"orders","shard":1,"shards":3,"subscribers":2500,"name":{"serial":7},"at":1000,"frame":"{}"}"#;
        let Ok(Task::Deliver(read)) = Task::parse(queued) else {
            panic!("a delivery");
        };
        let expected = Delivery {
            content: Content::Frame("{}".to_owned()),
            ..delivery("orders", 1, 7)
        };
        assert_eq!(read, expected);
        assert_eq!(read.content.printed(), Some("{}"));
    }

    #[test]
    fn what_is_queued_is_what_is_said() {
        let channel = Channel::parse("private-orders").expect("a name");
        let event = Content::ClientEvent {
            event: EventName::parse("client-e").expect("a name"),
            data: "{\"a\": 1.0}".to_owned(),
            user_id: Some("7".to_owned()),
        };
        let text = serde_json::to_string(&event).expect("prints");
        let read: Content = serde_json::from_str(&text).expect("a content");
        assert_eq!(read, event);
        let Ok(Said::ClientEvent { data, user_id, .. }) = read.said(&channel, None) else {
            panic!("a client event");
        };
        assert_eq!((data.get(), user_id), ("{\"a\": 1.0}", Some("7")));
        let publication = delivery("orders", 1, 7).content;
        assert!(publication.said(&channel, Some(7)).is_ok());
        assert!(publication.said(&channel, None).is_err());
    }

    #[test]
    fn what_is_published_is_not_logged() {
        let content = Content::Frame("s3cret".to_owned());
        let delivery = Delivery {
            content,
            ..delivery("orders", 0, 1)
        };
        assert!(!format!("{delivery:?}").contains("s3cret"));
    }
}
