//! A request becomes a call, or is refused.

use super::query::Parameters;
use super::{attributes, batch, path, publish};
use crate::model::call::Call;
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

/// Reads a request.
///
/// # Errors
/// [`Rejection::NotFound`], or the first rule that the call breaks.
pub fn parse(request: ApiRequest<'_>, settings: &Settings) -> Result<Call, Rejection> {
    let ApiRequest {
        method,
        path,
        parameters,
        body,
        idempotency_key: key,
    } = request;
    let segments = path::segments(path).ok_or(Rejection::NotFound)?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let attributes = || attributes::parse(parameters.get(INFO).unwrap_or_default());
    match (method, segments.as_slice()) {
        ("POST", ["apps", _, "events"]) => publish::of_call(body, key, settings).map(Call::Publish),
        ("POST", ["apps", _, "batch_events"]) => {
            batch::of_call(body, key, settings).map(Call::PublishBatch)
        }
        ("POST", ["apps", _, "channels", name, "events"]) => {
            let (event, except) = (parameters.get(NAME), parameters.get(SOCKET_ID));
            publish::raw(name, event, except, body, key, settings).map(Call::PublishRaw)
        }
        ("GET", ["apps", _, "channels"]) => {
            let prefix = parameters.get(PREFIX).unwrap_or_default();
            let prefix = ChannelPrefix::parse(prefix)?;
            let attributes = attributes();
            if attributes.user_count && prefix.kind() != Kind::Presence {
                return Err(Rejection::UserCount);
            }
            Ok(Call::ListChannels { prefix, attributes })
        }
        ("GET", ["apps", _, "channels", name]) => {
            let channel = Channel::parse(name)?;
            let attributes = attributes();
            if attributes.user_count && channel.kind() != Kind::Presence {
                return Err(Rejection::UserCount);
            }
            Ok(Call::ShowChannel {
                channel,
                attributes,
            })
        }
        ("GET", ["apps", _, "channels", name, "stats"]) => Ok(Call::ShowStats {
            channel: Channel::parse(name)?,
        }),
        ("GET", ["apps", _, "channels", name, "users"]) => {
            let channel = Channel::parse(name)?;
            if channel.kind() != Kind::Presence {
                return Err(Rejection::UsersOfPresence);
            }
            Ok(Call::ListUsers { channel })
        }
        (
            "POST",
            ["apps", _, "users", user_id, "terminate_connections"]
            | ["users", user_id, "terminate_connections"],
        ) => {
            if !(1..=USER_ID_MAX_CHARS).contains(&user_id.chars().count()) {
                return Err(Rejection::UserId);
            }
            Ok(Call::TerminateConnections {
                user_id: (*user_id).to_owned(),
            })
        }
        _ => Err(Rejection::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::socket_id::SocketId;

    fn parse_with(target: &str, body: &[u8]) -> Result<Call, Rejection> {
        let (method, target) = target.split_once(' ').expect("a method");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = ApiRequest {
            method,
            path,
            parameters: &Parameters::parse(query)?,
            body,
            idempotency_key: None,
        };
        super::parse(request, &Settings::default())
    }

    fn call(target: &str) -> Result<Call, Rejection> {
        parse_with(target, b"")
    }

    fn channel(name: &str) -> Channel {
        Channel::parse(name).expect(name)
    }

    #[test]
    fn each_call_has_a_method_and_a_path() {
        let event = br#"{"name":"e","data":"","channel":"a"}"#;
        let events = parse_with("POST /apps/1/events", event);
        assert!(matches!(events, Ok(Call::Publish(_))));
        let batch = br#"{"batch":[{"name":"e","data":"","channel":"a"}]}"#;
        let batch = parse_with("POST /apps/1/batch_events", batch);
        assert!(matches!(batch, Ok(Call::PublishBatch(_))));
        let raw = parse_with(
            "POST /apps/1/channels/a/events?name=e&socket_id=1.2",
            b"{raw",
        );
        let Ok(Call::PublishRaw(raw)) = raw else {
            panic!("{raw:?}")
        };
        assert_eq!(
            (raw.name.as_str(), raw.data.as_str(), raw.except),
            ("e", "{raw", SocketId::parse("1.2").ok())
        );
        assert_eq!(
            call("GET /apps/1/channels?filter_by_prefix=presence-&info=user_count"),
            Ok(Call::ListChannels {
                prefix: ChannelPrefix::parse("presence-").expect("a prefix"),
                attributes: attributes::parse("user_count"),
            })
        );
        assert_eq!(
            call("GET /apps/1/channels/a=@,;.%2D?info=subscription_count,cache"),
            Ok(Call::ShowChannel {
                channel: channel("a=@,;.-"),
                attributes: attributes::parse("subscription_count,cache"),
            })
        );
        assert_eq!(
            call("GET /apps/1/channels/%23server-to-user-7/stats"),
            Ok(Call::ShowStats {
                channel: channel("#server-to-user-7"),
            })
        );
        assert_eq!(
            call("GET /apps/1/channels/presence-a/users"),
            Ok(Call::ListUsers {
                channel: channel("presence-a"),
            })
        );
        for path in [
            "/apps/1/users/a%2Fb/terminate_connections",
            "/users/a%2Fb/terminate_connections",
        ] {
            let call = parse_with(&format!("POST {path}"), b"{}");
            let user_id = "a/b".to_owned();
            assert_eq!(call, Ok(Call::TerminateConnections { user_id }));
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
            assert_eq!(call(target), Err(rejection), "{target}");
        }
        let long = format!(
            "POST /apps/1/users/{}/terminate_connections",
            "u".repeat(129)
        );
        assert_eq!(call(&long), Err(Rejection::UserId));
        let raw = parse_with("POST /apps/1/channels/a/events?name=e", b"\xff");
        assert_eq!(raw, Err(Rejection::EventDataUtf8));
    }
}
