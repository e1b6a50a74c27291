//! Frames from a client.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseResult;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::model::error::Rejection;
use shared::model::limits::{ECHOED_NAME_MAX_BYTES, FRAME_MAX_BYTES};
use shared::model::request::{BadRequest, ClientEvent, Request, SignIn, Subscribe};
use shared::pusher::frame;

use crate::inputs::{about, any_channel_name, json, object, step, text, written};
use crate::{config, is_told, must};

/// `data` as the events that have one take it, in both of the ways that clients send it.
fn data() -> impl Strategy<Value = Value> {
    let of = |strategy: BoxedStrategy<String>| strategy.prop_map(Value::from).boxed();
    let name = prop_oneof![6 => any_channel_name(), 1 => about(ECHOED_NAME_MAX_BYTES), 1 => text()];
    let object = object(vec![
        ("channel", of(name.boxed())),
        (
            "auth",
            of(prop_oneof!["[a-z]{0,9}:[0-9a-f]{0,64}", text(), Just(String::new())].boxed()),
        ),
        ("channel_data", of(text().boxed())),
        ("user_data", of(text().boxed())),
    ]);
    prop_oneof![
        object.clone(),
        object.prop_map(|object| Value::from(object.to_string())),
    ]
}

const SPOKEN: [&str; 7] = [
    "pusher:ping",
    "pusher:pong",
    "pusher:subscribe",
    "pusher:unsubscribe",
    "pusher:signin",
    "pusher:error",
    "pusher_internal:subscription_succeeded",
];

/// An event's name: one of the protocol's, one like them, a client's own, or any.
fn event() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(&SPOKEN[..]).prop_map(str::to_owned),
        1 => "pusher:[a-z]{1,12}",
        2 => "client-[a-z]{0,12}",
        1 => "client-[a-z]{190,196}",
        1 => text(),
        1 => Just("x".repeat(3_000)),
    ]
}

/// An object that is a frame, or nearly.
fn perhaps_a_frame() -> impl Strategy<Value = String> {
    let frame = object(vec![
        ("event", event().prop_map(Value::from).boxed()),
        ("data", data().boxed()),
        ("channel", any_channel_name().prop_map(Value::from).boxed()),
    ]);
    prop_oneof![
        4 => frame.clone().prop_map(|frame| frame.to_string()),
        1 => frame.clone().prop_map(|frame| written(&frame, true)),
        3 => (frame, step()).prop_map(|(frame, step)| step.from(&frame.to_string())),
        1 => event().prop_map(|event| json!([event, "a", {"channel": "a"}]).to_string()),
        1 => json().prop_map(|json| json.to_string()),
        1 => text(),
    ]
}

/// A frame that cannot be followed is answered, and the answer is a frame that API Gateway takes
/// and pusher-js can read, however the client's was.
fn is_answered(bad: &BadRequest) -> TestCaseResult {
    is_told(&bad.rejection)?;
    let answer = match &bad.subscribing_to {
        Some(name) => {
            prop_assert!(name.len() <= ECHOED_NAME_MAX_BYTES);
            frame::subscription_error(name, &bad.rejection)
        }
        None => frame::error(&bad.rejection),
    };
    prop_assert!(
        answer.len() <= FRAME_MAX_BYTES / 4,
        "{} bytes",
        answer.len()
    );
    let answer: Value =
        serde_json::from_slice(&answer).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(answer["event"].is_string());
    prop_assert_eq!(answer["channel"].as_str(), bad.subscribing_to.as_deref());
    Ok(())
}

/// What a frame says of a field of its `data`, read by other means.
fn said<'a>(data: &'a Value, field: &str) -> Option<&'a str> {
    data.get(field).and_then(Value::as_str)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_a_client_sends_is_followed_or_answered(text in perhaps_a_frame()) {
        let parsed = frame::parse(&text);
        if let Err(bad) = &parsed {
            is_answered(bad)?;
            return Ok(());
        }
        // Whatever is followed is what the text says.
        let frame: Value = must(serde_json::from_str(&text))?;
        let data = match &frame["data"] {
            Value::String(inner) => serde_json::from_str(inner).unwrap_or_default(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)
            | Value::Object(_) => frame["data"].clone(),
        };
        let event = said(&frame, "event").unwrap_or_default();
        match event {
            "pusher:ping" => prop_assert_eq!(parsed, Ok(Request::Ping)),
            "pusher:pong" => prop_assert_eq!(parsed, Ok(Request::Pong)),
            "pusher:subscribe" => {
                let Ok(Request::Subscribe(Subscribe { channel, auth, channel_data, .. })) = parsed else {
                    return Err(TestCaseError::fail("no subscribe"));
                };
                prop_assert_eq!(Some(channel.as_str()), said(&data, "channel"));
                let said_auth = said(&data, "auth").filter(|auth| !auth.is_empty());
                prop_assert_eq!(auth.as_deref(), said_auth);
                prop_assert_eq!(channel_data.as_deref(), said(&data, "channel_data"));
            }
            "pusher:unsubscribe" => {
                let Ok(Request::Unsubscribe { channel, .. }) = parsed else {
                    return Err(TestCaseError::fail("no unsubscribe"));
                };
                prop_assert_eq!(Some(channel.as_str()), said(&data, "channel"));
            }
            "pusher:signin" => {
                let Ok(Request::SignIn(SignIn { auth, user_data })) = parsed else {
                    return Err(TestCaseError::fail("no sign-in"));
                };
                prop_assert_eq!(Some(&auth[..]), said(&data, "auth"));
                prop_assert_eq!(Some(&user_data[..]), said(&data, "user_data"));
            }
            other => {
                prop_assert!(other.starts_with("client-"), "{other:?} is followed");
                let Ok(Request::ClientEvent(ClientEvent { name, channel, data })) = parsed else {
                    return Err(TestCaseError::fail("no client event"));
                };
                prop_assert_eq!(Some(channel.as_str()), said(&frame, "channel"));
                // As it was sent, to the letter.
                prop_assert!(text.contains(&data) || data == "null");
                let data = must(RawValue::from_string(data))?;
                let passed_on = frame::client_event(&channel, &name, &data, None);
                let passed_on: Value = must(serde_json::from_slice(&passed_on))?;
                prop_assert_eq!(&passed_on["event"], other);
                prop_assert_eq!(&passed_on["channel"], &frame["channel"]);
                prop_assert_eq!(&passed_on["data"], &frame["data"]);
            }
        }
    }

    #[test]
    fn a_subscription_is_read_as_it_was_written(
        name in any_channel_name(),
        auth in prop::option::of("[!-~]{1,80}"),
        channel_data in prop::option::of(text()),
        (as_text, pretty, joins) in any::<(bool, bool, bool)>(),
        (more, value) in ("[a-z]{1,4}_", json()),
    ) {
        let mut data = json!({ "channel": name });
        data[&more] = value.clone();
        if let Some(auth) = &auth {
            data["auth"] = json!(auth);
        }
        if let Some(channel_data) = &channel_data {
            data["channel_data"] = json!(channel_data);
        }
        let event = if joins { "pusher:subscribe" } else { "pusher:unsubscribe" };
        let data = if as_text { json!(data.to_string()) } else { data };
        let mut frame = json!({ "event": event, "data": data });
        frame[&more] = value;
        match frame::parse(&written(&frame, pretty)) {
            Ok(Request::Subscribe(Subscribe { channel, auth: signed, channel_data: data, .. }))
                if joins =>
            {
                prop_assert_eq!(channel.as_str(), name);
                prop_assert_eq!((signed, data), (auth, channel_data));
            }
            Ok(Request::Unsubscribe { channel, .. }) if !joins => {
                prop_assert_eq!(channel.as_str(), name);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn an_event_of_no_client_is_refused_by_name(event in text(), data in data()) {
        prop_assume!(!event.starts_with("pusher:") && !event.starts_with("client-"));
        let text = json!({ "event": event, "data": data }).to_string();
        let bad = frame::parse(&text).expect_err("it is not known");
        let Rejection::EventUnknown(named) = &bad.rejection else {
            return Err(TestCaseError::fail(bad.rejection.to_string()));
        };
        prop_assert!(event.starts_with(&named[..]));
        is_answered(&bad)?;
    }
}

#[test]
fn a_refusal_is_short_however_long_and_deep_the_frame() {
    for filling in ["\"", "\\", "\u{1}", "[", "{\"a\":", "é", "9", " "] {
        let filling = filling.repeat((FRAME_MAX_BYTES - 200) / filling.len());
        let quoted = json!(filling).to_string();
        for text in [
            filling.clone(),
            format!("{{{filling}"),
            format!(r#"{{"event":{filling}"#),
            format!(r#"{{"event":{quoted}}}"#),
            format!(r#"{{"event":"pusher:subscribe","data":{filling}}}"#),
            format!(r#"{{"event":"pusher:subscribe","data":{quoted}}}"#),
            format!(r#"{{"event":"pusher:subscribe","data":{{"channel":{filling}}}}}"#),
            format!(r#"{{"event":"pusher:subscribe","data":{{"channel":{quoted}}}}}"#),
            format!(r#"{{"event":"pusher:unsubscribe","data":{{"channel":{quoted}}}}}"#),
        ] {
            let bad = frame::parse(&text).expect_err("it means nothing");
            is_answered(&bad).unwrap_or_else(|error| {
                panic!("{}: {error}", &text[..text.floor_char_boundary(80)])
            });
        }
    }
}
