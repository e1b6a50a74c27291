//! What webhooks are told of.

use serde::{Deserialize, Serialize};

use crate::model::channel::Channel;
use crate::model::limits::{WEBHOOK_HOLD, WEBHOOK_HOLD_SLACK_MILLIS};
use crate::model::time::UnixMillis;

/// What kind of thing has happened. Its name is that of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A channel has its first subscriber.
    ChannelOccupied,
    /// A channel's last subscriber has gone.
    ChannelVacated,
    /// A user has come to a presence channel.
    MemberAdded,
    /// A user has gone from a presence channel.
    MemberRemoved,
    /// A client has sent an event.
    ClientEvent,
    /// Somebody has joined a cache channel that has nothing to show.
    CacheMiss,
    /// Subscribers were told how many they are.
    SubscriptionCount,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::ChannelOccupied,
        Self::ChannelVacated,
        Self::MemberAdded,
        Self::MemberRemoved,
        Self::ClientEvent,
        Self::CacheMiss,
        Self::SubscriptionCount,
    ];

    /// Whether its events are held for a while, and dropped when it turns out that whoever had gone
    /// has come back.
    #[must_use]
    pub const fn is_held(self) -> bool {
        match self {
            Self::ChannelVacated | Self::MemberRemoved => true,
            Self::ChannelOccupied
            | Self::MemberAdded
            | Self::ClientEvent
            | Self::CacheMiss
            | Self::SubscriptionCount => false,
        }
    }
}

/// Something that has happened, as a webhook tells it: this is exactly what the receiver gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the kinds say what they are")]
pub enum Event {
    ChannelOccupied {
        channel: Channel,
    },
    ChannelVacated {
        channel: Channel,
    },
    MemberAdded {
        channel: Channel,
        user_id: String,
    },
    MemberRemoved {
        channel: Channel,
        user_id: String,
    },
    ClientEvent {
        channel: Channel,
        /// The event's own name.
        event: String,
        /// What was sent: text as it is, anything else as JSON.
        data: String,
        socket_id: String,
        /// As whom the sender is on a presence channel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<String>,
    },
    CacheMiss {
        channel: Channel,
    },
    SubscriptionCount {
        channel: Channel,
        subscription_count: u64,
    },
}

impl Event {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::ChannelOccupied { .. } => Kind::ChannelOccupied,
            Self::ChannelVacated { .. } => Kind::ChannelVacated,
            Self::MemberAdded { .. } => Kind::MemberAdded,
            Self::MemberRemoved { .. } => Kind::MemberRemoved,
            Self::ClientEvent { .. } => Kind::ClientEvent,
            Self::CacheMiss { .. } => Kind::CacheMiss,
            Self::SubscriptionCount { .. } => Kind::SubscriptionCount,
        }
    }

    /// The channel that it is about.
    #[must_use]
    pub const fn channel(&self) -> &Channel {
        match self {
            Self::ChannelOccupied { channel }
            | Self::ChannelVacated { channel }
            | Self::MemberAdded { channel, .. }
            | Self::MemberRemoved { channel, .. }
            | Self::ClientEvent { channel, .. }
            | Self::CacheMiss { channel }
            | Self::SubscriptionCount { channel, .. } => channel,
        }
    }
}

/// Whether who comes now comes back: what had gone at `left_at` is still held then, and found there
/// when its time is over. So neither the one nor the other is told.
#[must_use]
pub fn is_back(left_at: Option<UnixMillis>, now: UnixMillis) -> bool {
    let hold_millis = u64::try_from(WEBHOOK_HOLD.as_millis()).unwrap_or(u64::MAX);
    let surely = hold_millis - WEBHOOK_HOLD_SLACK_MILLIS;
    left_at.is_some_and(|left_at| now.millis_since(left_at) < surely)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_comes_back_while_it_is_held_has_not_come() {
        let now = UnixMillis(1_000_000);
        assert!(!is_back(None, now));
        for (ago, expected) in [(0, true), (2_749, true), (2_750, false), (60_000, false)] {
            assert_eq!(
                is_back(Some(UnixMillis(now.0 - ago)), now),
                expected,
                "{ago}"
            );
        }
        assert!(is_back(Some(UnixMillis(now.0 + 9)), now));
    }

    #[test]
    fn a_kind_has_the_name_of_its_events() {
        let channel = Channel::parse("a").expect("a name");
        for kind in Kind::ALL {
            let event = json!({
                "name": kind, "channel": channel, "user_id": "u", "event": "e", "data": "d",
                "socket_id": "1.2", "subscription_count": 1,
            });
            let event: Event = serde_json::from_value(event).expect("an event");
            assert_eq!((event.kind(), event.channel()), (kind, &channel));
        }
    }
}
