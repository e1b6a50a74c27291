//! The calls of the HTTP API: paths, queries and batches.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use shared::model::app::Apps;
use shared::model::call::Call;
use shared::model::channel::Channel;
use shared::model::error::Rejection;
use shared::model::limits::{
    BATCH_BODY_MAX_BYTES, BATCH_EVENTS_MAX, EVENT_DATA_MAX_BYTES, USER_ID_MAX_CHARS,
};
use shared::model::settings::Settings;
use shared::pusher::api::{self, ApiRequest, Direct, Parameters, batch};

use crate::inputs::{about, any_channel_name, escaped, json, object, socket_id, step, style, text};
use crate::{config, is_told, must};

fn parse(
    method: &str,
    path: &str,
    query: &str,
    body: &[u8],
    key: Option<&str>,
) -> Result<Call, Rejection> {
    let request = ApiRequest {
        method,
        path,
        parameters: &Parameters::parse(query)?,
        body,
        idempotency_key: key,
    };
    api::parse(request, &Settings::default())
}

/// A path whose parts are calls, names, or anything.
fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => select(&["apps", "1", "events", "batch_events", "channels", "users", "stats"][..])
            .prop_map(str::to_owned),
        1 => Just("terminate_connections".to_owned()),
        2 => any_channel_name(),
        1 => text(),
        1 => (text(), style()).prop_map(|(text, style)| escaped(&text, &style)),
        1 => about(USER_ID_MAX_CHARS),
    ];
    vec(part, 0..7).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn query() -> impl Strategy<Value = String> {
    let name = select(
        &[
            "info",
            "info[]",
            "info[0]",
            "filter_by_prefix",
            "name",
            "socket_id",
            "a",
        ][..],
    );
    let value = prop_oneof![
        text(),
        socket_id(),
        any_channel_name(),
        Just("user_count,subscription_count,cache".to_owned()),
        Just("presence-".to_owned()),
    ];
    let pair = (name, value, style())
        .prop_map(|(name, value, style)| format!("{name}={}", escaped(&value, &style)));
    vec(pair, 0..5).prop_map(|pairs| pairs.join("&"))
}

fn perhaps_a_batch() -> BoxedStrategy<Value> {
    let item = || {
        object(vec![
            ("name", "[A-Za-z.:-]{1,20}".prop_map(Value::from).boxed()),
            ("channel", any_channel_name().prop_map(Value::from).boxed()),
            (
                "data",
                prop_oneof![
                    8 => json().prop_map(|json| Value::from(json.to_string())),
                    1 => about(EVENT_DATA_MAX_BYTES).prop_map(Value::from),
                ]
                .boxed(),
            ),
            ("socket_id", socket_id().prop_map(Value::from).boxed()),
            ("info", text().prop_map(Value::from).boxed()),
        ])
    };
    object(vec![
        (
            "batch",
            vec(item(), 0..BATCH_EVENTS_MAX + 2)
                .prop_map(Value::from)
                .boxed(),
        ),
        (
            "idempotency_key",
            "[!-~]{1,8}".prop_map(Value::from).boxed(),
        ),
    ])
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_is_asked_for_is_one_call_or_is_refused(
        method in prop_oneof![4 => select(&["GET", "POST"][..]).prop_map(str::to_owned), 1 => text()],
        path in path(),
        query in query(),
        body in prop_oneof![
            json().prop_map(|json| json.to_string().into_bytes()),
            vec(any::<u8>(), 0..64),
        ],
        key in prop::option::of(text()),
    ) {
        match parse(&method, &path, &query, &body, key.as_deref()) {
            Ok(Call::ShowChannel { channel, .. } | Call::ShowStats { channel } | Call::ListUsers { channel }) => {
                prop_assert_eq!(Channel::parse(channel.as_str()), Ok(channel));
                prop_assert_eq!(method, "GET");
            }
            Ok(Call::ListChannels { .. }) => prop_assert_eq!(method, "GET"),
            Ok(Call::TerminateConnections { user_id }) => {
                prop_assert!((1..=USER_ID_MAX_CHARS).contains(&user_id.chars().count()));
                prop_assert_eq!(method, "POST");
            }
            Ok(Call::Publish(_) | Call::PublishBatch(_) | Call::PublishRaw(_)) => {
                prop_assert_eq!(method, "POST");
            }
            Err(rejection) => is_told(&rejection)?,
        }
    }

    #[test]
    fn a_name_is_read_however_it_is_escaped(
        name in any_channel_name(),
        user_id in "[!-~é ]{1,40}",
        style in style(),
    ) {
        // A space may be a plus in a query, not in a path.
        let escape = |text: &str| escaped(text, &style).replace('+', "%20").replace('/', "%2F");
        let path = format!("/apps/1/channels/{}", escape(&name));
        let call = must(parse("GET", &path, "", b"", None))?;
        let Call::ShowChannel { channel, .. } = &call else {
            return Err(TestCaseError::fail(format!("{call:?}")));
        };
        prop_assert_eq!(channel.as_str(), name);
        let path = format!("/users/{}/terminate_connections", escape(&user_id));
        let terminate = Call::TerminateConnections { user_id };
        prop_assert_eq!(parse("POST", &path, "", b"{}", None), Ok(terminate));
    }

    #[test]
    fn a_batch_that_is_accepted_is_within_every_limit(
        batch in perhaps_a_batch(),
        change in prop::option::weighted(0.2, step()),
    ) {
        let body = batch.to_string();
        let body = change.map_or(body.clone(), |step| step.from(&body));
        match batch::parse(body.as_bytes(), &Settings::default()) {
            Ok(request) => {
                prop_assert!(body.len() <= BATCH_BODY_MAX_BYTES);
                prop_assert!((1..=BATCH_EVENTS_MAX).contains(&request.events.len()));
                for event in &request.events {
                    prop_assert!(event.data.as_str().len() <= EVENT_DATA_MAX_BYTES);
                    prop_assert_eq!(Channel::parse(event.channel.as_str()), Ok(event.channel.clone()));
                }
            }
            Err(rejection) => is_told(&rejection)?,
        }
    }

    #[test]
    fn whatever_comes_from_inside_is_a_publication_or_is_refused(
        body in prop_oneof![json(), Just(json!({"name": "e", "channel": "a", "data": ""}))],
        app_id in prop::option::of(prop_oneof![Just(json!("1")), json()]),
        event_id in prop::option::of(text()),
    ) {
        let apps = Apps::parse(r#"[{"id":"1","key":"k","secret":"s"}]"#).expect("an app");
        let mut body = body;
        if let (Some(fields), Some(app_id)) = (body.as_object_mut(), app_id) {
            fields.insert("app_id".to_owned(), app_id);
        }
        let body = body.to_string();
        let direct = Direct { body: body.as_bytes(), event_id: event_id.as_deref() };
        match direct.parse(&apps) {
            Ok((app, call)) => {
                prop_assert_eq!(app.id(), "1");
                prop_assert!(matches!(call, Call::Publish(_)));
            }
            Err(rejection) => is_told(&rejection)?,
        }
    }
}
