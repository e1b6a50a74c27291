//! The request that a webhook is: its body, and the headers that show who sends it.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;

use crate::model::app::App;
use crate::model::time::UnixMillis;
use crate::model::webhook::{Event, Happened, KEY_HEADER, SIGNATURE_HEADER, Webhook};

/// Exactly this: the Node SDK's verifier takes no other.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/json");

/// What is posted to a webhook's URL: the headers that the app wants and those by which it knows that the
/// body comes from here, and the body.
#[must_use]
pub fn request(app: &App, webhook: &Webhook, events: &[&Happened]) -> (HeaderMap, Bytes) {
    let body = Bytes::from(body(events));
    (headers(app, webhook, &body), body)
}

fn headers(app: &App, webhook: &Webhook, body: &[u8]) -> HeaderMap {
    let value = |text: &str| {
        HeaderValue::from_str(text).expect("keys and signatures are letters and digits")
    };
    let mut headers = webhook.headers().clone();
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    headers.insert(KEY_HEADER, value(app.key()));
    headers.insert(SIGNATURE_HEADER, value(&app.secrets().current().sign(body)));
    headers
}

/// The body of a webhook: events, and when the first of them happened, which tells a late one.
fn body(events: &[&Happened]) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        time_ms: UnixMillis,
        events: Vec<&'a Event>,
    }
    let first = events.iter().map(|happened| happened.at).min();
    let body = Body {
        time_ms: first.unwrap_or_default(),
        events: events.iter().map(|happened| &happened.event).collect(),
    };
    serde_json::to_string(&body).expect("names, texts and numbers always print")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::app::Apps;
    use crate::model::channel::Channel;

    #[test]
    fn a_body_goes_with_the_apps_headers_and_its_signature() {
        let json = r#"[{"id":"1","key":"k-1","secret":"7ad3773142a6692b25b8","webhooks":
            [{"url":"http://h:1","headers":{"Authorization":"Bearer s3cret"}}]}]"#;
        let apps = Apps::parse(json).expect("an app");
        let app = apps.by_id("1").expect("the app");
        let webhook = &app.settings().webhooks[0];
        let headers = headers(app, webhook, br#"{"time_ms":1,"events":[]}"#);
        for (name, value) in [
            ("authorization", "Bearer s3cret"),
            ("content-type", "application/json"),
            ("x-pusher-key", "k-1"),
            // As OpenSSL computes it.
            (
                "x-pusher-signature",
                "e84ad185684cff3a96d27bc8ba07b8be14b7479c43784ab14d8a256d25638f76",
            ),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
        assert_eq!(headers.len(), 4);
        assert!(!webhook.is_encrypted());
        // It may be a password.
        assert!(!format!("{webhook:?} {headers:?}").contains("s3cret"));
    }

    #[test]
    fn a_body_is_written_as_the_server_sdks_read_it() {
        let channel = Channel::parse("presence-a").expect("a name");
        let events = [
            Event::ChannelOccupied {
                channel: channel.clone(),
            },
            Event::ChannelVacated {
                channel: channel.clone(),
            },
            Event::MemberAdded {
                channel: channel.clone(),
                user_id: "7".to_owned(),
            },
            Event::MemberRemoved {
                channel: channel.clone(),
                user_id: "7".to_owned(),
            },
            Event::ClientEvent {
                channel: channel.clone(),
                event: "client-e".to_owned(),
                data: r#"{"a":1}"#.to_owned(),
                socket_id: "1.2".to_owned(),
                user_id: Some("7".to_owned()),
            },
            Event::ClientEvent {
                channel: channel.clone(),
                event: "client-e".to_owned(),
                data: "text".to_owned(),
                socket_id: "1.2".to_owned(),
                user_id: None,
            },
            Event::CacheMiss {
                channel: channel.clone(),
            },
            Event::SubscriptionCount {
                channel,
                subscription_count: 3,
            },
        ];
        let at = [9, 8, 7, 6, 5, 4, 3, 2];
        let happened: Vec<Happened> = events
            .into_iter()
            .zip(at)
            .map(|(event, at)| Happened {
                at: UnixMillis(at),
                event,
            })
            .collect();
        let happened: Vec<&Happened> = happened.iter().collect();
        let body: Value = serde_json::from_str(&body(&happened)).expect("JSON");
        let of = "presence-a";
        assert_eq!(
            body,
            json!({ "time_ms": 2, "events": [
                { "name": "channel_occupied", "channel": of },
                { "name": "channel_vacated", "channel": of },
                { "name": "member_added", "channel": of, "user_id": "7" },
                { "name": "member_removed", "channel": of, "user_id": "7" },
                { "name": "client_event", "channel": of, "event": "client-e", "data": "{\"a\":1}", "socket_id": "1.2", "user_id": "7" },
                { "name": "client_event", "channel": of, "event": "client-e", "data": "text", "socket_id": "1.2" },
                { "name": "cache_miss", "channel": of },
                { "name": "subscription_count", "channel": of, "subscription_count": 3 },
            ] })
        );
    }
}
