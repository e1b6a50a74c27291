//! What a server says: every frame there is.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::names::{
    CACHE_MISS, ERROR, ESTABLISHED, MEMBER_ADDED, MEMBER_REMOVED, PONG, RESUME_FAILED, SIGNED_IN,
    SUBSCRIPTION_COUNT, SUBSCRIPTION_ERROR, SUBSCRIPTION_SUCCEEDED, WATCHLIST,
};
use crate::model::channel::Channel;
use crate::model::error::{FAULT_MESSAGE, Rejection};
use crate::model::event::EventName;
use crate::model::limits::ACTIVITY_TIMEOUT_SECS;
use crate::model::presence::Roster;
use crate::model::socket_id::SocketId;
use crate::model::user::User;

/// A frame to a client.
#[derive(Serialize)]
struct ServerFrame<'a, D: Serialize> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    data: D,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

impl<'a, D: Serialize> ServerFrame<'a, D> {
    fn new(event: &'a str, data: D) -> Self {
        Self {
            event,
            channel: None,
            data,
            serial: None,
            user_id: None,
        }
    }

    fn on(self, channel: &'a str) -> Self {
        Self {
            channel: Some(channel),
            ..self
        }
    }

    fn print(&self) -> Bytes {
        serde_json::to_vec(self)
            .expect("strings, numbers and JSON always print")
            .into()
    }
}

/// JSON inside a string, as `data` is on channels.
fn inner(data: &impl Serialize) -> String {
    serde_json::to_string(data).expect("strings, numbers and JSON always print")
}

/// The greeting of an admitted connection. Its `data` is a string, and `activity_timeout` is
/// never absent: pusher-js gives up for good otherwise.
#[must_use]
pub fn established(socket_id: &SocketId) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        socket_id: &'a str,
        activity_timeout: u64,
    }
    let data = inner(&Data {
        socket_id: socket_id.as_str(),
        activity_timeout: ACTIVITY_TIMEOUT_SECS,
    });
    ServerFrame::new(ESTABLISHED, data).print()
}

/// `code` is `null` where the protocol gives none.
#[derive(Serialize)]
struct ErrorData<'a> {
    code: Option<u16>,
    message: &'a str,
}

/// A notice about a broken rule; as the first frame, a refusal.
#[must_use]
pub fn error(rejection: &Rejection) -> Bytes {
    let data = ErrorData {
        code: rejection.code(),
        message: &rejection.to_string(),
    };
    ServerFrame::new(ERROR, data).print()
}

/// A notice that something failed on our side.
#[must_use]
pub fn failure() -> Bytes {
    let data = ErrorData {
        code: None,
        message: FAULT_MESSAGE,
    };
    ServerFrame::new(ERROR, data).print()
}

/// The answer to a ping.
#[must_use]
pub fn pong() -> Bytes {
    #[derive(Serialize)]
    struct Data {}
    ServerFrame::new(PONG, Data {}).print()
}

/// The answer to a sign-in. `data` is an object whose `user_data` is the client's own string:
/// pusher-js reads it so.
#[must_use]
pub fn signed_in(user_data: &str) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        user_data: &'a str,
    }
    ServerFrame::new(SIGNED_IN, Data { user_data }).print()
}

/// The acknowledgement of a subscription. On a presence channel it carries who is there.
#[must_use]
pub fn subscription_succeeded(channel: &Channel, roster: Option<&Roster>) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        presence: Option<&'a Roster>,
    }
    let data = inner(&Data { presence: roster });
    ServerFrame::new(SUBSCRIPTION_SUCCEEDED, data)
        .on(channel.as_str())
        .print()
}

#[derive(Serialize)]
struct SubscriptionErrorData<'a> {
    r#type: &'a str,
    error: &'a str,
    status: u16,
}

/// A refused subscription, in the form that pusher-js hands to the channel object.
#[must_use]
pub fn subscription_error(channel: &str, rejection: &Rejection) -> Bytes {
    let status = rejection.status();
    let r#type = if status == 401 {
        "AuthError"
    } else {
        "SubscriptionError"
    };
    let data = SubscriptionErrorData {
        r#type,
        error: &rejection.to_string(),
        status,
    };
    ServerFrame::new(SUBSCRIPTION_ERROR, data)
        .on(channel)
        .print()
}

/// A subscription that failed on our side.
#[must_use]
pub fn subscription_failure(channel: &Channel) -> Bytes {
    let data = SubscriptionErrorData {
        r#type: "ServerError",
        error: FAULT_MESSAGE,
        status: 503,
    };
    ServerFrame::new(SUBSCRIPTION_ERROR, data)
        .on(channel.as_str())
        .print()
}

/// A publication as its subscribers get it: printed once, whoever many they are. `data` passes
/// through as the string it was published as.
#[must_use]
pub fn publication(channel: &Channel, name: &str, data: &str, serial: u64) -> Bytes {
    ServerFrame {
        serial: Some(serial),
        ..ServerFrame::new(name, data).on(channel.as_str())
    }
    .print()
}

/// What a cache channel that has nothing to show says after the acknowledgement.
#[must_use]
pub fn cache_miss(channel: &Channel) -> Bytes {
    #[derive(Serialize)]
    struct Frame<'a> {
        event: &'a str,
        channel: &'a str,
    }
    let frame = Frame {
        event: CACHE_MISS,
        channel: channel.as_str(),
    };
    inner(&frame).into()
}

/// Word that what was published after a serial cannot be shown, or not all of it. `oldest` is the
/// earliest that can still be read by polling, where that is known.
#[must_use]
pub fn resume_failed(channel: &Channel, after: u64, oldest: Option<u64>) -> Bytes {
    #[derive(Serialize)]
    struct Data {
        after: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        oldest: Option<u64>,
    }
    ServerFrame::new(RESUME_FAILED, inner(&Data { after, oldest }))
        .on(channel.as_str())
        .print()
}

/// What one client tells the others. `data` is JSON and passes through as it was sent; `user_id`
/// is known from the sender's subscription, never from the sender.
#[must_use]
pub fn client_event(
    channel: &Channel,
    name: &EventName,
    data: &RawValue,
    user_id: Option<&str>,
) -> Bytes {
    ServerFrame {
        user_id,
        ..ServerFrame::new(name.as_str(), data).on(channel.as_str())
    }
    .print()
}

/// A user has joined a presence channel.
#[must_use]
pub fn member_added(channel: &Channel, user: &User) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        user_id: &'a str,
        user_info: serde_json::Value,
    }
    let data = inner(&Data {
        user_id: user.id(),
        user_info: user.shown(),
    });
    ServerFrame::new(MEMBER_ADDED, data)
        .on(channel.as_str())
        .print()
}

/// A user has left a presence channel.
#[must_use]
pub fn member_removed(channel: &Channel, user_id: &str) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        user_id: &'a str,
    }
    ServerFrame::new(MEMBER_REMOVED, inner(&Data { user_id }))
        .on(channel.as_str())
        .print()
}

/// How many subscribe to a channel.
#[must_use]
pub fn subscription_count(channel: &Channel, subscribers: u64) -> Bytes {
    #[derive(Serialize)]
    struct Data {
        subscription_count: u64,
    }
    let data = inner(&Data {
        subscription_count: subscribers,
    });
    ServerFrame::new(SUBSCRIPTION_COUNT, data)
        .on(channel.as_str())
        .print()
}

/// Who of a watchlist is online and who is not; whoever is not named is as before.
#[must_use]
pub fn watchlist(online: &[&str], offline: &[&str]) -> Bytes {
    #[derive(Serialize)]
    struct Event<'a> {
        name: &'a str,
        user_ids: &'a [&'a str],
    }
    #[derive(Serialize)]
    struct Data<'a> {
        events: Vec<Event<'a>>,
    }
    let events = [("online", online), ("offline", offline)]
        .into_iter()
        .filter(|(_, user_ids)| !user_ids.is_empty())
        .map(|(name, user_ids)| Event { name, user_ids })
        .collect();
    ServerFrame::new(WATCHLIST, inner(&Data { events })).print()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::socket_id::ConnectionId;
    use serde_json::json;

    fn printed(frame: &Bytes) -> Value {
        serde_json::from_slice(frame).expect("JSON")
    }

    #[test]
    fn the_greeting_is_a_string_inside_a_frame() {
        let socket_id = SocketId::of(&ConnectionId::new("L0SM9cOFvHcCIhw=".to_owned()));
        let frame = printed(&established(&socket_id));
        assert_eq!(frame["event"], "pusher:connection_established");
        let data: Value =
            serde_json::from_str(frame["data"].as_str().expect("a string")).expect("JSON");
        assert_eq!(data["socket_id"], socket_id.as_str());
        assert_eq!(data["activity_timeout"], 120);
    }

    #[test]
    fn every_frame_to_a_client_has_an_event() {
        let channel = Channel::parse("a").expect("a name");
        let name = EventName::parse("client-e").expect("a name");
        let user = User::new("u".to_owned(), None).expect("a user");
        let raw = RawValue::from_string("{\"a\": 1.0}".to_owned()).expect("JSON");
        let data = "{\"é\":\"\\u0001\"}";
        for frame in [
            pong(),
            failure(),
            subscription_failure(&channel),
            error(&Rejection::ChannelName),
            subscription_succeeded(&channel, None),
            signed_in("{}"),
            cache_miss(&channel),
            resume_failed(&channel, 7, None),
            client_event(&channel, &name, &raw, None),
            member_added(&channel, &user),
            member_removed(&channel, "u"),
            subscription_count(&channel, 7),
            watchlist(&["u"], &[]),
            subscription_error("a", &Rejection::AuthInvalid),
            publication(&channel, "e", data, 7),
        ] {
            assert!(printed(&frame)["event"].is_string());
        }
        let publication = printed(&publication(&channel, "e", data, 7));
        assert_eq!(publication["data"], data);
        assert_eq!(publication["serial"], 7);
        assert_eq!(
            client_event(&channel, &name, &raw, Some("u")),
            r#"{"event":"client-e","channel":"a","data":{"a": 1.0},"user_id":"u"}"#
        );
        assert_eq!(
            printed(&cache_miss(&channel)),
            json!({"event": "pusher:cache_miss", "channel": "a"})
        );
        let failed: Value = printed(&resume_failed(&channel, 7, Some(9)))["data"].clone();
        assert_eq!(failed, r#"{"after":7,"oldest":9}"#);
        let member: Value = printed(&member_added(&channel, &user))["data"].clone();
        assert_eq!(member, r#"{"user_id":"u","user_info":{}}"#);
        let watched: Value = printed(&watchlist(&["a", "b"], &["c"]))["data"].clone();
        let online = r#"{"name":"online","user_ids":["a","b"]}"#;
        let offline = r#"{"name":"offline","user_ids":["c"]}"#;
        assert_eq!(watched, format!(r#"{{"events":[{online},{offline}]}}"#));
        assert_eq!(
            printed(&error(&Rejection::ChannelName))["data"]["code"],
            Value::Null
        );
        assert_eq!(
            printed(&subscription_error("a", &Rejection::AuthInvalid))["data"]["status"],
            401
        );
    }
}
