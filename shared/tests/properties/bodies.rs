//! The bodies of the HTTP API.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::{Value, json};
use shared::model::call::PublishRequest;
use shared::model::channel::Channel;
use shared::model::event::EventName;
use shared::model::limits::{
    CHANNEL_NAME_MAX_CHARS, EVENT_DATA_MAX_BYTES, EVENT_NAME_MAX_CHARS, HTTP_BODY_MAX_BYTES,
    PUBLISH_CHANNELS_MAX, TOKEN_CHANNELS_MAX, TOKEN_RECONNECT_MAX_SECS, TOKEN_TTL_MAX_SECS,
    USER_ID_MAX_CHARS, USER_INFO_MAX_BYTES,
};
use shared::model::settings::Settings;
use shared::model::socket_id::SocketId;
use shared::model::token::TokenRequest;
use shared::model::user::User;
use shared::pusher::api::publish;

use crate::inputs::{
    about, any_channel_name, channel_name, filled, json, listed, object, socket_id, step, text,
    up_to, written,
};
use crate::{config, is_told, must};

fn perhaps_an_event_name() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => "[A-Za-z\\\\.:-]{1,20}",
        2 => text(),
        3 => about(EVENT_NAME_MAX_CHARS),
        1 => "(pusher|pusher_internal|client)[:-][a-z]{0,3}",
    ]
    .prop_map(Value::from)
    .boxed()
}

fn perhaps_data() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => json().prop_map(|json| json.to_string()),
        1 => about(EVENT_DATA_MAX_BYTES),
    ]
    .prop_map(Value::from)
    .boxed()
}

fn perhaps_names(max: usize) -> BoxedStrategy<Value> {
    let name = prop_oneof![
        40 => any_channel_name(),
        1 => about(CHANNEL_NAME_MAX_CHARS),
        1 => text(),
        1 => channel_name().prop_map(|name| format!("{name}*")),
    ];
    prop_oneof![
        2 => vec(name, 0..4),
        1 => (max - 1..=max + 1).prop_map(|count| (0..count).map(|n| format!("c{n}")).collect()),
    ]
    .prop_map(Value::from)
    .boxed()
}

fn perhaps_a_publish() -> BoxedStrategy<Value> {
    let one = vec![
        ("name", perhaps_an_event_name()),
        ("data", perhaps_data()),
        ("channel", any_channel_name().prop_map(Value::from).boxed()),
        ("socket_id", socket_id().prop_map(Value::from).boxed()),
    ];
    let many = vec![
        ("name", perhaps_an_event_name()),
        ("data", perhaps_data()),
        ("channels", perhaps_names(PUBLISH_CHANNELS_MAX)),
        ("info", Just(Value::from("")).boxed()),
    ];
    prop_oneof![object(one), object(many)].boxed()
}

fn perhaps_a_token_request() -> BoxedStrategy<Value> {
    let user_id = prop_oneof![text(), about(USER_ID_MAX_CHARS)];
    let user_info = prop_oneof![json(), about(USER_INFO_MAX_BYTES - 2).prop_map(Value::from)];
    object(vec![
        ("channels", perhaps_names(TOKEN_CHANNELS_MAX)),
        ("user_id", user_id.prop_map(Value::from).boxed()),
        ("user_info", user_info.boxed()),
        (
            "ttl_seconds",
            up_to(TOKEN_TTL_MAX_SECS).prop_map(Value::from).boxed(),
        ),
        (
            "reconnect_seconds",
            up_to(TOKEN_RECONNECT_MAX_SECS)
                .prop_map(Value::from)
                .boxed(),
        ),
    ])
}

/// Bytes that are such an object, or nearly, or not at all.
fn bytes_of(object: BoxedStrategy<Value>) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => object.clone().prop_map(|object| object.to_string().into_bytes()),
        3 => (object.clone(), step())
            .prop_map(|(object, step)| step.from(&object.to_string()).into_bytes()),
        1 => object.clone().prop_map(|object| listed(&object).to_string().into_bytes()),
        1 => json().prop_map(|json| json.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..64),
        1 => filled(b' ', HTTP_BODY_MAX_BYTES),
    ]
}

fn is_within_every_limit(request: &PublishRequest) -> TestCaseResult {
    let name = request.name.as_str();
    prop_assert!((1..=EVENT_NAME_MAX_CHARS).contains(&name.chars().count()));
    prop_assert!(!name.starts_with("pusher:") && !name.starts_with("pusher_internal:"));
    prop_assert!(request.data.as_str().len() <= EVENT_DATA_MAX_BYTES);
    prop_assert!((1..=PUBLISH_CHANNELS_MAX).contains(&request.channels.len()));
    for channel in &request.channels {
        prop_assert_eq!(Channel::parse(channel.as_str()), Ok(channel.clone()));
    }
    if let Some(except) = &request.except {
        prop_assert_eq!(SocketId::parse(except.as_str()), Ok(except.clone()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_publish_that_is_accepted_is_within_every_limit(body in bytes_of(perhaps_a_publish())) {
        match publish::parse(&body, &Settings::default()) {
            Ok(request) => {
                prop_assert!(body.len() <= HTTP_BODY_MAX_BYTES);
                prop_assert_eq!(body.trim_ascii_start().first(), Some(&b'{'));
                is_within_every_limit(&request)?;
            }
            Err(rejection) => is_told(&rejection)?,
        }
    }

    #[test]
    fn a_publish_is_read_as_it_was_written(
        name in text().prop_filter("an event's name", |name| EventName::parse(name).is_ok()),
        data in json()
            .prop_map(|json| json.to_string())
            .prop_filter("short enough", |data| data.len() <= EVENT_DATA_MAX_BYTES),
        channels in btree_set(any_channel_name(), 1..5),
        except in prop::option::of(socket_id()),
        pretty in any::<bool>(),
    ) {
        let mut body = json!({ "name": name, "data": data });
        match channels.first() {
            Some(channel) if channels.len() == 1 => body["channel"] = json!(channel),
            Some(_) | None => body["channels"] = json!(channels),
        }
        if let Some(except) = &except {
            body["socket_id"] = json!(except);
        }
        let body = written(&body, pretty);
        let request = must(publish::parse(body.as_bytes(), &Settings::default()))?;
        prop_assert_eq!((request.name.as_str(), request.data.as_str()), (&name[..], &data[..]));
        let read: BTreeSet<String> = request.channels.iter().map(ToString::to_string).collect();
        prop_assert_eq!(read, channels);
        prop_assert_eq!(request.except.as_ref().map(SocketId::as_str), except.as_deref());
    }

    #[test]
    fn a_token_request_that_is_accepted_is_within_every_limit(
        body in bytes_of(perhaps_a_token_request()),
    ) {
        match TokenRequest::parse(&body) {
            Ok(request) => {
                prop_assert!(body.len() <= HTTP_BODY_MAX_BYTES);
                prop_assert_eq!(body.trim_ascii_start().first(), Some(&b'{'));
                prop_assert!((1..=TOKEN_TTL_MAX_SECS).contains(&request.ttl_secs));
                prop_assert!(request.reconnect_secs <= TOKEN_RECONNECT_MAX_SECS);
                prop_assert!(request.grant.channels.len() <= TOKEN_CHANNELS_MAX);
                if let Some(user) = &request.grant.user {
                    prop_assert!((1..=USER_ID_MAX_CHARS).contains(&user.id().chars().count()));
                    prop_assert!(user.shown().to_string().len() <= USER_INFO_MAX_BYTES);
                }
            }
            Err(rejection) => is_told(&rejection)?,
        }
    }

    #[test]
    fn a_token_grants_what_it_names(
        names in vec((channel_name(), any::<bool>()), 0..5),
        other in channel_name(),
        user_id in prop::option::of("[!-~é]{1,32}"),
        (ttl, reconnect) in (1..=TOKEN_TTL_MAX_SECS, 0..=TOKEN_RECONNECT_MAX_SECS),
    ) {
        let patterns: Vec<String> = names
            .iter()
            .map(|(name, star)| if *star { format!("{name}*") } else { name.clone() })
            .collect();
        let mut body = json!({
            "channels": patterns, "ttl_seconds": ttl, "reconnect_seconds": reconnect,
        });
        if let Some(user_id) = &user_id {
            body["user_id"] = json!(user_id);
        }
        let request = must(TokenRequest::parse(body.to_string().as_bytes()))?;
        prop_assert_eq!((request.ttl_secs, request.reconnect_secs), (ttl, reconnect));
        prop_assert_eq!(request.grant.user.as_ref().map(User::id), user_id.as_deref());
        let covers = |name: &str| request.grant.covers(&Channel::parse(name).expect("a name"));
        for (name, _) in &names {
            prop_assert!(covers(name));
        }
        let granted = names
            .iter()
            .any(|(name, star)| other == *name || (*star && other.starts_with(&name[..])));
        prop_assert_eq!(covers(&other), granted);
    }
}

#[test]
fn a_refusal_is_short_however_long_the_body() {
    for filling in ["x", "\"", "\\", "\u{1}", "é", "[", "{\"a\":", "9"] {
        let filling = filling.repeat((HTTP_BODY_MAX_BYTES - 200) / filling.len() / 6);
        let quoted = json!(filling).to_string();
        for field in [
            "name",
            "data",
            "channel",
            "channels",
            "socket_id",
            "user_id",
            "ttl_seconds",
            &filling,
        ] {
            let field = json!(field);
            for body in [
                format!("{{{field}:{quoted}}}"),
                format!("{{{field}:{filling}}}"),
                format!("{{{field}:[{quoted}]}}"),
            ] {
                let published = publish::parse(body.as_bytes(), &Settings::default());
                let issued = TokenRequest::parse(body.as_bytes());
                for rejection in [published.map(|_| ()), issued.map(|_| ())] {
                    is_told(&rejection.expect_err("too little of a request"))
                        .unwrap_or_else(|error| panic!("{field:.80}: {error}"));
                }
            }
        }
    }
}
