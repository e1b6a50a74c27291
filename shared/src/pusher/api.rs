//! The calls of the HTTP API: a request becomes one of them, or is refused.

mod answer;
mod attributes;
mod batch;
mod direct;
mod idempotency;
mod path;
mod publish;
mod query;
mod signed;

pub use self::answer::Answer;
pub use self::attributes::Attributes;
pub use self::batch::{BatchEvent, BatchRequest};
pub use self::direct::Direct;
pub use self::idempotency::Idempotency;
pub use self::publish::PublishRequest;
pub use self::query::Parameters;
pub use self::signed::{Admitted, SignedRequest, authenticate, knows};
use crate::model::channel::{Channel, ChannelPrefix, Kind};
use crate::model::error::Rejection;
use crate::model::limits::USER_ID_MAX_CHARS;
use crate::model::settings::Settings;

const INFO: &str = "info";
const PREFIX: &str = "filter_by_prefix";
const NAME: &str = "name";
const SOCKET_ID: &str = "socket_id";

/// A signed request, as far as it says what is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ApiRequest<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The path as its sender has it, escaped.
    pub path: &'a str,
    /// The query.
    pub parameters: &'a Parameters,
    /// The body.
    pub body: &'a [u8],
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<&'a str>,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum ApiCall {
    /// `POST …/events`: one event to one or many channels.
    Publish(PublishRequest),
    /// `POST …/batch_events`: several events.
    PublishBatch(BatchRequest),
    /// `POST …/channels/{channel}/events?name=…`: as long ago; the body is the data.
    PublishRaw(PublishRequest),
    /// `GET …/channels`: those that somebody is on.
    ListChannels {
        /// What their names begin with.
        prefix: ChannelPrefix,
        /// What to tell of each.
        attributes: Attributes,
    },
    /// `GET …/channels/{channel}`.
    ShowChannel {
        /// Which.
        channel: Channel,
        /// What to tell of it.
        attributes: Attributes,
    },
    /// `GET …/channels/{channel}/stats`: as long ago.
    ShowStats {
        /// Which.
        channel: Channel,
    },
    /// `GET …/channels/{channel}/users`: who is on a presence channel.
    ListUsers {
        /// Which.
        channel: Channel,
    },
    /// `POST …/users/{user_id}/terminate_connections`.
    TerminateConnections {
        /// Whose.
        user_id: String,
    },
}

impl ApiCall {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Rejection::NotFound`], or the first rule that the call breaks.
    pub fn parse(request: ApiRequest<'_>, settings: &Settings) -> Result<Self, Rejection> {
        let ApiRequest {
            method,
            path,
            parameters,
            body,
            idempotency_key: key,
        } = request;
        let segments = path::segments(path).ok_or(Rejection::NotFound)?;
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let attributes = || Attributes::parse(parameters.get(INFO).unwrap_or_default());
        match (method, segments.as_slice()) {
            ("POST", ["apps", _, "events"]) => {
                PublishRequest::of_call(body, key, settings).map(Self::Publish)
            }
            ("POST", ["apps", _, "batch_events"]) => {
                BatchRequest::of_call(body, key, settings).map(Self::PublishBatch)
            }
            ("POST", ["apps", _, "channels", name, "events"]) => {
                let (event, except) = (parameters.get(NAME), parameters.get(SOCKET_ID));
                PublishRequest::raw(name, event, except, body, key, settings).map(Self::PublishRaw)
            }
            ("GET", ["apps", _, "channels"]) => {
                let prefix = parameters.get(PREFIX).unwrap_or_default();
                let prefix = ChannelPrefix::parse(prefix)?;
                let attributes = attributes();
                if attributes.user_count && prefix.kind() != Kind::Presence {
                    return Err(Rejection::UserCount);
                }
                Ok(Self::ListChannels { prefix, attributes })
            }
            ("GET", ["apps", _, "channels", name]) => {
                let channel = Channel::parse(name)?;
                let attributes = attributes();
                if attributes.user_count && channel.kind() != Kind::Presence {
                    return Err(Rejection::UserCount);
                }
                Ok(Self::ShowChannel {
                    channel,
                    attributes,
                })
            }
            ("GET", ["apps", _, "channels", name, "stats"]) => Ok(Self::ShowStats {
                channel: Channel::parse(name)?,
            }),
            ("GET", ["apps", _, "channels", name, "users"]) => {
                let channel = Channel::parse(name)?;
                if channel.kind() != Kind::Presence {
                    return Err(Rejection::UsersOfPresence);
                }
                Ok(Self::ListUsers { channel })
            }
            (
                "POST",
                ["apps", _, "users", user_id, "terminate_connections"]
                | ["users", user_id, "terminate_connections"],
            ) => {
                if !(1..=USER_ID_MAX_CHARS).contains(&user_id.chars().count()) {
                    return Err(Rejection::UserId);
                }
                Ok(Self::TerminateConnections {
                    user_id: (*user_id).to_owned(),
                })
            }
            _ => Err(Rejection::NotFound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::socket_id::SocketId;

    fn parse_with(target: &str, body: &[u8]) -> Result<ApiCall, Rejection> {
        let (method, target) = target.split_once(' ').expect("a method");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = ApiRequest {
            method,
            path,
            parameters: &Parameters::parse(query)?,
            body,
            idempotency_key: None,
        };
        ApiCall::parse(request, &Settings::default())
    }

    fn parse(target: &str) -> Result<ApiCall, Rejection> {
        parse_with(target, b"")
    }

    fn channel(name: &str) -> Channel {
        Channel::parse(name).expect(name)
    }

    #[test]
    fn each_call_has_a_method_and_a_path() {
        let event = br#"{"name":"e","data":"","channel":"a"}"#;
        let events = parse_with("POST /apps/1/events", event);
        assert!(matches!(events, Ok(ApiCall::Publish(_))));
        let batch = br#"{"batch":[{"name":"e","data":"","channel":"a"}]}"#;
        let batch = parse_with("POST /apps/1/batch_events", batch);
        assert!(matches!(batch, Ok(ApiCall::PublishBatch(_))));
        let raw = parse_with(
            "POST /apps/1/channels/a/events?name=e&socket_id=1.2",
            b"{raw",
        );
        let Ok(ApiCall::PublishRaw(raw)) = raw else {
            panic!("{raw:?}")
        };
        assert_eq!(
            (raw.name.as_str(), raw.data.as_str(), raw.except),
            ("e", "{raw", SocketId::parse("1.2").ok())
        );
        assert_eq!(
            parse("GET /apps/1/channels?filter_by_prefix=presence-&info=user_count"),
            Ok(ApiCall::ListChannels {
                prefix: ChannelPrefix::parse("presence-").expect("a prefix"),
                attributes: Attributes::parse("user_count"),
            })
        );
        assert_eq!(
            parse("GET /apps/1/channels/a=@,;.%2D?info=subscription_count,cache"),
            Ok(ApiCall::ShowChannel {
                channel: channel("a=@,;.-"),
                attributes: Attributes::parse("subscription_count,cache"),
            })
        );
        assert_eq!(
            parse("GET /apps/1/channels/%23server-to-user-7/stats"),
            Ok(ApiCall::ShowStats {
                channel: channel("#server-to-user-7"),
            })
        );
        assert_eq!(
            parse("GET /apps/1/channels/presence-a/users"),
            Ok(ApiCall::ListUsers {
                channel: channel("presence-a"),
            })
        );
        for path in [
            "/apps/1/users/a%2Fb/terminate_connections",
            "/users/a%2Fb/terminate_connections",
        ] {
            let call = parse_with(&format!("POST {path}"), b"{}");
            let user_id = "a/b".to_owned();
            assert_eq!(call, Ok(ApiCall::TerminateConnections { user_id }));
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused_by_name() {
        for (target, rejection) in [
            ("GET /apps/1/channels?info=user_count", Rejection::UserCount),
            (
                "GET /apps/1/channels?info=user_count&filter_by_prefix=a",
                Rejection::UserCount,
            ),
            (
                "GET /apps/1/channels?filter_by_prefix=a/",
                Rejection::ChannelPrefix,
            ),
            (
                "GET /apps/1/channels/a?info=user_count",
                Rejection::UserCount,
            ),
            ("GET /apps/1/channels/a%2Fusers", Rejection::ChannelName),
            ("GET /apps/1/channels/%23a", Rejection::ChannelReserved),
            ("GET /apps/1/channels/", Rejection::ChannelName),
            ("GET /apps/1/channels/a/users", Rejection::UsersOfPresence),
            (
                "GET /apps/1/channels/#server-to-user-7/users",
                Rejection::UsersOfPresence,
            ),
            ("POST /apps/1/channels/a/events", Rejection::EventName),
            (
                "POST /apps/1/channels/a/events?name=e&socket_id=x",
                Rejection::SocketId,
            ),
            (
                "POST /apps/1/users//terminate_connections",
                Rejection::UserId,
            ),
            ("GET /apps/1/events", Rejection::NotFound),
            ("PUT /apps/1/events", Rejection::NotFound),
            ("post /apps/1/events", Rejection::NotFound),
            ("POST /apps/1/events/", Rejection::NotFound),
            ("POST /apps/1/../2/events", Rejection::NotFound),
            ("POST /apps/1%2Fevents", Rejection::NotFound),
            ("GET /apps/1/channels/a/b/users", Rejection::NotFound),
            ("GET /apps/1/channels/%ff", Rejection::NotFound),
            ("POST /users/terminate_connections", Rejection::NotFound),
        ] {
            assert_eq!(parse(target), Err(rejection), "{target}");
        }
        let long = format!(
            "POST /apps/1/users/{}/terminate_connections",
            "u".repeat(129)
        );
        assert_eq!(parse(&long), Err(Rejection::UserId));
        let raw = parse_with("POST /apps/1/channels/a/events?name=e", b"\xff");
        assert_eq!(raw, Err(Rejection::EventDataUtf8));
    }
}
