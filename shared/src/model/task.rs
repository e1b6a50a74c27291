//! What functions leave to others: the messages of the queues `later` and `fanout`.

mod delivery;

use serde::{Deserialize, Serialize};

use crate::model::channel::Channel;
use crate::model::error::Fault;
use crate::model::socket_id::ConnectionId;

pub use self::delivery::{Content, Delivery, DeliveryName};

/// The version of the messages. One of another version is not understood: it is tried again, by
/// when the function may have been replaced, and ends among the dead.
const VERSION: u32 = 1;

/// Something that is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Task {
    /// Tell those who subscribe to a channel how many they are. It may be done more than once, and in
    /// any order.
    SubscriptionCount(Recount),
    /// Deliver a frame to a shard, after those that were queued for it before.
    Deliver(Delivery),
    /// Go on announcing on a presence channel. It may be done more than once.
    Announce(Announce),
    /// Forget a connection that was found gone, and all that hangs on it. It may be done more than once.
    Forget(Forget),
}

/// A presence channel on which not everything is announced.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Announce {
    /// The app's id.
    pub app_id: String,
    /// The channel.
    pub channel: Channel,
}

/// A connection that is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Forget {
    /// Which.
    pub id: ConnectionId,
}

/// Those who subscribe to a channel are to be told how many they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Recount {
    /// The app's id.
    pub app_id: String,
    /// The channel.
    pub channel: Channel,
    /// The name that the channel's item knows this by, when it was put off; without one the
    /// number has just changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_off: Option<String>,
}

/// A message as a queue hands it out. No `Debug`: what it says is not for the log.
pub struct QueueMessage {
    /// The queue's name for it.
    pub id: String,
    /// What it says.
    pub body: String,
    /// What it is in order with, in a queue that keeps an order.
    pub group: Option<String>,
    /// Whether it was handed out before.
    pub is_repeated: bool,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    task: T,
}

impl Task {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Fault::Task`].
    pub fn parse(message: &str) -> Result<Self, Fault> {
        let Versioned { v, task }: Versioned<Self> =
            serde_json::from_str(message).map_err(|error| Fault::Task(error.into()))?;
        if v == VERSION {
            Ok(task)
        } else {
            Err(Fault::Task(format!("it is of version {v}").into()))
        }
    }

    /// The message.
    #[must_use]
    pub fn print(&self) -> String {
        let message = Versioned {
            v: VERSION,
            task: self,
        };
        serde_json::to_string(&message).expect("names always print")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::socket_id::SocketId;
    use crate::model::time::UnixMillis;
    use uuid::Uuid;

    fn count(put_off: Option<&str>) -> Task {
        Task::SubscriptionCount(Recount {
            app_id: "1001".to_owned(),
            channel: Channel::parse("orders").expect("a name"),
            put_off: put_off.map(str::to_owned),
        })
    }

    fn delivery(name: DeliveryName, except: Option<&str>) -> Task {
        Task::Deliver(Delivery {
            app_id: "1001".to_owned(),
            channel: Channel::parse("orders").expect("a name"),
            shard: 1,
            shards: 3,
            subscribers: 2_500,
            name,
            at: UnixMillis(1_000),
            except: except.map(|text| SocketId::parse(text).expect(text)),
            content: Content::Publication {
                event: "e".to_owned(),
                data: "{}".to_owned(),
            },
        })
    }

    #[test]
    fn a_message_says_its_version_and_what_is_to_be_done() {
        let message = r#"{"v":1,"type":"subscription_count","app_id":"1001","channel":"orders"}"#;
        assert_eq!(count(None).print(), message);
        let serial = DeliveryName::Serial(1_790_000_000_001);
        let message = r#"{"v":1,"type":"deliver","app_id":"1001","channel":"orders","shard":1,"shards":3,"subscribers":2500,"name":{"serial":1790000000001},"at":1000,"publication":{"event":"e","data":"{}"}}"#;
        assert_eq!(delivery(serial, None).print(), message);
        let event = DeliveryName::ClientEvent(Uuid::from_u128(7));
        for task in [
            count(None),
            count(Some("0a")),
            delivery(serial, None),
            delivery(event, Some("1.2")),
        ] {
            assert_eq!(Task::parse(&task.print()).expect("a task"), task);
        }
    }

    #[test]
    fn what_is_not_understood_is_a_fault() {
        for message in [
            "",
            "{}",
            "[1]",
            r#"{"v":2,"type":"subscription_count","app_id":"1001","channel":"orders"}"#,
            r#"{"type":"subscription_count","app_id":"1001","channel":"orders"}"#,
            r#"{"v":1,"type":"other","app_id":"1001","channel":"orders"}"#,
            r#"{"v":1,"type":"subscription_count","app_id":"1001"}"#,
            r#"{"v":1,"type":"subscription_count","app_id":"1001","channel":"a b"}"#,
            r#"{"v":1,"type":"deliver","app_id":"1001","channel":"orders"}"#,
            r#"{"v":1,"type":"deliver","app_id":"1001","channel":"orders","shard":-1,"shards":3,"subscribers":1,"name":{"serial":1},"at":1,"frame":""}"#,
            r#"{"v":1,"type":"deliver","app_id":"1001","channel":"orders","shard":1,"shards":3,"subscribers":1,"name":{"serial":1},"at":1,"except":"x","frame":""}"#,
        ] {
            assert!(Task::parse(message).is_err(), "{message}");
        }
    }
}
