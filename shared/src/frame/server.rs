//! What a server says: every frame there is.

use bytes::Bytes;
use serde::Serialize;

use super::{ERROR, ESTABLISHED, PONG, SUBSCRIPTION_ERROR, SUBSCRIPTION_SUCCEEDED};
use crate::channel::Channel;
use crate::error::{FAULT_MESSAGE, Rejection};
use crate::event::{EventData, EventName};
use crate::limits::ACTIVITY_TIMEOUT_SECS;
use crate::socket_id::SocketId;

/// A frame to a client.
#[derive(Serialize)]
struct ServerFrame<'a, D: Serialize> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    data: D,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<u64>,
}

impl<D: Serialize> ServerFrame<'_, D> {
    fn print(&self) -> Bytes {
        serde_json::to_vec(self)
            .expect("strings and numbers always print")
            .into()
    }
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
    let data = Data {
        socket_id: socket_id.as_str(),
        activity_timeout: ACTIVITY_TIMEOUT_SECS,
    };
    let data = serde_json::to_string(&data).expect("strings and numbers always print");
    ServerFrame {
        event: ESTABLISHED,
        channel: None,
        data,
        serial: None,
    }
    .print()
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
    ServerFrame {
        event: ERROR,
        channel: None,
        data,
        serial: None,
    }
    .print()
}

/// A notice that something failed on our side.
#[must_use]
pub fn failure() -> Bytes {
    let data = ErrorData {
        code: None,
        message: FAULT_MESSAGE,
    };
    ServerFrame {
        event: ERROR,
        channel: None,
        data,
        serial: None,
    }
    .print()
}

/// The answer to a ping.
#[must_use]
pub fn pong() -> Bytes {
    #[derive(Serialize)]
    struct Data {}
    ServerFrame {
        event: PONG,
        channel: None,
        data: Data {},
        serial: None,
    }
    .print()
}

/// The acknowledgement of a subscription.
#[must_use]
pub fn subscription_succeeded(channel: &Channel) -> Bytes {
    ServerFrame {
        event: SUBSCRIPTION_SUCCEEDED,
        channel: Some(channel.as_str()),
        data: "{}",
        serial: None,
    }
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
    ServerFrame {
        event: SUBSCRIPTION_ERROR,
        channel: Some(channel),
        data,
        serial: None,
    }
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
    ServerFrame {
        event: SUBSCRIPTION_ERROR,
        channel: Some(channel.as_str()),
        data,
        serial: None,
    }
    .print()
}

/// A publication as its subscribers get it: printed once, whoever many they are. `data` passes
/// through as the string it was published as.
#[must_use]
pub fn publication(channel: &Channel, name: &EventName, data: &EventData, serial: u64) -> Bytes {
    ServerFrame {
        event: name.as_str(),
        channel: Some(channel.as_str()),
        data: data.as_str(),
        serial: Some(serial),
    }
    .print()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::socket_id::ConnectionId;

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
        let name = EventName::parse("e").expect("a name");
        let data = EventData::parse("{\"é\":\"\\u0001\"}".to_owned()).expect("data");
        for frame in [
            pong(),
            failure(),
            subscription_failure(&channel),
            error(&Rejection::ChannelName),
            subscription_succeeded(&channel),
            subscription_error("a", &Rejection::AuthInvalid),
            publication(&channel, &name, &data, 7),
        ] {
            assert!(printed(&frame)["event"].is_string());
        }
        let publication = printed(&publication(&channel, &name, &data, 7));
        assert_eq!(publication["data"], data.as_str());
        assert_eq!(publication["serial"], 7);
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
