//! Where an app wants to be told of what, as its settings say.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, uri};
use serde_json::Value;

use super::event::{Event, Kind};
use crate::model::fields::Fields;
use crate::model::limits::{WEBHOOK_HEADERS_MAX, WEBHOOK_URL_MAX_BYTES};

/// The header that names the app, by its key.
pub const KEY_HEADER: HeaderName = HeaderName::from_static("x-pusher-key");
/// The header that shows that the app's secret is known.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-pusher-signature");

/// Headers that are no setting's: they say what is sent, how it travels, and who sends it.
const RESERVED: [HeaderName; 12] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    KEY_HEADER,
    SIGNATURE_HEADER,
];

/// One of an app's webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    url: Uri,
    kinds: Vec<Kind>,
    prefix: String,
    suffix: String,
    headers: HeaderMap,
}

impl Webhook {
    /// Takes one out of its settings; what is wrong with it becomes a problem of theirs.
    pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let text = fields.text("url");
        let url = parse_url(&text);
        if url.is_none() {
            fields.problem(format_args!(
                "url is https:// and a host, without user and fragment, at most {WEBHOOK_URL_MAX_BYTES} bytes"
            ));
        }
        let kinds = read_kinds(fields);
        let (prefix, suffix) = (
            fields.optional_text("filter_by_prefix"),
            fields.optional_text("filter_by_suffix"),
        );
        let headers = read_headers(fields);
        Some(Self {
            url: url?,
            kinds,
            prefix,
            suffix,
            headers,
        })
    }

    /// Where it is sent.
    #[must_use]
    pub const fn url(&self) -> &Uri {
        &self.url
    }

    /// The headers that the app wants.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether what is sent there cannot be read on its way.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == Some(&uri::Scheme::HTTPS)
    }

    /// Whether it may be told of an event: by its kind and by its channel's name.
    #[must_use]
    pub fn lets_through(&self, event: &Event) -> bool {
        let name = event.channel().as_str();
        self.kinds.contains(&event.kind())
            && name.starts_with(&self.prefix)
            && name.ends_with(&self.suffix)
    }
}

fn parse_url(text: &str) -> Option<Uri> {
    // Behind a fragment there could be anything: the parser passes over it.
    if text.len() > WEBHOOK_URL_MAX_BYTES || text.contains('#') {
        return None;
    }
    let url: Uri = text.parse().ok()?;
    let scheme = url.scheme()?;
    let known = *scheme == uri::Scheme::HTTPS || *scheme == uri::Scheme::HTTP;
    let authority = url.authority()?;
    let plain = !authority.as_str().contains('@') && !authority.host().is_empty();
    (known && plain).then_some(url)
}

fn read_kinds(fields: &mut Fields<'_>) -> Vec<Kind> {
    let kinds = match fields.fields.remove("events") {
        None => return Kind::ALL.into(),
        Some(kinds) => serde_json::from_value::<Vec<Kind>>(kinds),
    };
    match kinds {
        Ok(kinds) if !kinds.is_empty() => kinds,
        Ok(_) | Err(_) => {
            let all = serde_json::to_string(&Kind::ALL).expect("names always print");
            fields.problem(format_args!("events is a list of some of {all}"));
            Vec::new()
        }
    }
}

fn read_headers(fields: &mut Fields<'_>) -> HeaderMap {
    let headers = match fields.fields.remove("headers") {
        None => Some(HeaderMap::new()),
        Some(Value::Object(headers)) if headers.len() <= WEBHOOK_HEADERS_MAX => {
            headers.iter().map(parse_header).collect()
        }
        Some(_) => None,
    };
    headers.unwrap_or_else(|| {
        fields.problem(format_args!(
            "headers is an object of at most {WEBHOOK_HEADERS_MAX} names and texts, none of them one that is set here"
        ));
        HeaderMap::new()
    })
}

fn parse_header((name, value): (&String, &Value)) -> Option<(HeaderName, HeaderValue)> {
    let name: HeaderName = name.parse().ok()?;
    let mut value = HeaderValue::from_str(value.as_str()?).ok()?;
    // It may be a password.
    value.set_sensitive(true);
    (!RESERVED.contains(&name)).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::app::Apps;
    use crate::model::channel::Channel;

    fn apps(webhooks: &str) -> Result<Vec<Webhook>, String> {
        let json = format!(r#"[{{"id":"1","key":"k","secret":"s3cret","webhooks":[{webhooks}]}}]"#);
        let apps = Apps::parse(&json)?;
        let app = apps.by_id("1").expect("the app");
        Ok(app.settings().webhooks.clone())
    }

    #[test]
    fn a_webhook_gets_what_its_filters_let_through_and_nothing_else() {
        let webhook = |more: &str| {
            let webhook = format!(r#"{{"url":"https://example.com/hooks?a=b"{more}}}"#);
            apps(&webhook).expect("a webhook").remove(0)
        };
        let occupied = |name: &str| Event::ChannelOccupied {
            channel: Channel::parse(name).expect("a name"),
        };
        let vacated = |name: &str| Event::ChannelVacated {
            channel: Channel::parse(name).expect("a name"),
        };
        let all = webhook("");
        assert!(all.lets_through(&occupied("a")) && all.lets_through(&vacated("private-a")));
        let some = webhook(
            r#","events":["channel_occupied"],"filter_by_prefix":"private-","filter_by_suffix":"-eu""#,
        );
        assert!(some.lets_through(&occupied("private-a-eu")));
        for event in [
            vacated("private-a-eu"),
            occupied("private-a-us"),
            occupied("a-private-eu"),
            occupied("private-"),
        ] {
            assert!(!some.lets_through(&event), "{event:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_webhook_is_named_and_not_repeated() {
        for (webhook, said) in [
            (r"{}", "url is missing"),
            (r#"{"url":"ftp://h"}"#, "url is https"),
            (r#"{"url":"https://u:s3cret@h/"}"#, "url is https"),
            (r#"{"url":"https:///p"}"#, "url is https"),
            (r#"{"url":"/p"}"#, "url is https"),
            (r#"{"url":"https://h/#s3cret"}"#, "url is https"),
            (r#"{"url":"https://h","events":[]}"#, "channel_occupied"),
            (r#"{"url":"https://h","events":["x"]}"#, "channel_occupied"),
            (r#"{"url":"https://h","events":"all"}"#, "channel_occupied"),
            (
                r#"{"url":"https://h","filter_by_prefix":1}"#,
                "filter_by_prefix",
            ),
            (
                r#"{"url":"https://h","headers":{"Content-Type":"a"}}"#,
                "headers",
            ),
            (
                r#"{"url":"https://h","headers":{"X-Pusher-Key":"s3cret"}}"#,
                "headers",
            ),
            (r#"{"url":"https://h","headers":{"a b":"c"}}"#, "headers"),
            (r#"{"url":"https://h","headers":{"a":"b\nc"}}"#, "headers"),
            (r#"{"url":"https://h","headers":{"a":1}}"#, "headers"),
            (r#"{"url":"https://h","filter":"x"}"#, "no setting filter"),
            ("1", "webhooks is a list"),
            (
                r#"{"url":"https://h"},{"url":"https://h"}"#,
                "webhook 2: its url is used twice",
            ),
        ] {
            let problem = apps(webhook).expect_err(webhook);
            assert!(problem.contains(said), "{webhook}: {problem}");
            assert!(!problem.contains("s3cret"), "{problem}");
        }
        let six: Vec<String> = (0..6)
            .map(|n| format!(r#"{{"url":"https://h/{n}"}}"#))
            .collect();
        assert!(apps(&six[1..].join(",")).is_ok());
        assert!(apps(&six.join(",")).is_err());
    }
}
