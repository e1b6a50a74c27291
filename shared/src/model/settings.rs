//! What an app has switched on and its limits, and how they are read.

use serde_json::{Map, Value};

use crate::model::fields::Fields;
use crate::model::limits;
use crate::model::webhook::Webhook;

/// What an app has switched on, and its limits. The defaults are Pusher's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `client_events`: whether clients may send events to each other. Off.
    pub client_events: bool,
    /// `subscription_count`: whether subscribers are told how many they are. Off.
    pub subscription_count: bool,
    /// `watchlist`: whether signed-in users are told who of their watchlist is online. Off, because
    /// it costs two writes for each user watched, and a post for each watcher of one that comes or
    /// goes.
    pub watchlist: bool,
    /// `authorized_connections_timeout_seconds`: how long a connection may go without signing in
    /// or joining a channel that needs auth; 0 is for ever, the default.
    pub authorized_connections_timeout_secs: u64,
    /// `allowed_origins`: the origins whose pages may connect, exact or with `*.` before the
    /// host; none named is any. A client that sends no origin is no page, and may connect.
    pub allowed_origins: Vec<Origin>,
    /// `max_presence_members` of one channel.
    pub max_presence_members: u64,
    /// `max_client_events_per_second` of one connection.
    pub max_client_events_per_second: u64,
    /// `max_event_bytes` in an event's data.
    pub max_event_bytes: usize,
    /// `max_channels_per_connection`.
    pub max_channels_per_connection: usize,
    /// `cache_seconds`: how long a cache channel keeps its last event.
    pub cache_secs: u64,
    /// `retention_seconds`: how long a publication stays in the log, which streams, polls and those
    /// who come back read. With 0 there is none, and a publication costs a write less.
    pub retention_secs: u64,
    /// `retention_count`: how many publications of one channel may be read back; 0 is all that time
    /// has left. Counting them costs a reader a read more a channel.
    pub retention_count: u64,
    /// `webhooks`: where the app is told of what happens. Nowhere.
    pub webhooks: Vec<Webhook>,
    /// `webhook_batching`: whether it is told of several things at once. Off.
    pub webhook_batching: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_events: false,
            subscription_count: false,
            watchlist: false,
            authorized_connections_timeout_secs: 0,
            allowed_origins: Vec::new(),
            max_presence_members: limits::PRESENCE_MEMBERS_DEFAULT,
            max_client_events_per_second: limits::CLIENT_EVENTS_PER_SECOND_DEFAULT,
            max_event_bytes: limits::EVENT_DATA_MAX_BYTES,
            max_channels_per_connection: limits::CHANNELS_PER_CONNECTION_MAX,
            cache_secs: limits::CACHE_SECS_DEFAULT,
            retention_secs: limits::RETENTION_SECS_DEFAULT,
            retention_count: 0,
            webhooks: Vec::new(),
            webhook_batching: false,
        }
    }
}

impl Settings {
    /// Whether a client may connect that says it is a page of `origin`, or says nothing.
    #[must_use]
    pub fn admits_origin(&self, origin: Option<&str>) -> bool {
        match origin {
            Some(origin) if !self.allowed_origins.is_empty() => self
                .allowed_origins
                .iter()
                .any(|allowed| allowed.matches(origin)),
            Some(_) | None => true,
        }
    }
}

/// `https://app.example.com`, or `https://*.example.com` for every host below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `https://`.
    scheme: String,
    /// The host and the port; with `below`, what stands after the star, its dot included.
    host: String,
    below: bool,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let below = rest.starts_with("*.");
        let host = if below { &rest[1..] } else { rest };
        let is_host = host.len() > usize::from(below)
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
        let is_scheme =
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_host && is_scheme).then(|| Self {
            scheme: format!("{}://", scheme.to_ascii_lowercase()),
            host: host.to_ascii_lowercase(),
            below,
        })
    }

    fn matches(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        origin.strip_prefix(&self.scheme).is_some_and(|host| {
            if self.below {
                host.len() > self.host.len() && host.ends_with(&self.host)
            } else {
                host == self.host
            }
        })
    }
}

fn origins(from: &mut Fields<'_>, name: &str) -> Vec<Origin> {
    let origins = match from.fields.remove(name) {
        None => Some(Vec::new()),
        Some(Value::Array(origins)) => origins
            .iter()
            .map(|origin| Origin::parse(origin.as_str()?))
            .collect(),
        Some(_) => None,
    };
    origins.unwrap_or_else(|| {
        from.problem(format_args!(
            "{name} is a list such as [\"https://app.example.com\", \"https://*.example.com\"]"
        ));
        Vec::new()
    })
}

fn webhooks(from: &mut Fields<'_>, name: &str) -> Vec<Webhook> {
    let lists: Option<Vec<Map<String, Value>>> = match from.fields.remove(name) {
        None => Some(Vec::new()),
        Some(value) => serde_json::from_value(value).ok(),
    };
    let Some(lists) = lists.filter(|lists| lists.len() <= limits::WEBHOOKS_MAX) else {
        let most = limits::WEBHOOKS_MAX;
        from.problem(format_args!(
            "{name} is a list of at most {most} such as {{\"url\": \"https://example.com/\"}}"
        ));
        return Vec::new();
    };
    let mut webhooks: Vec<Webhook> = Vec::with_capacity(lists.len());
    for (n, fields) in lists.into_iter().enumerate() {
        let mut fields = Fields {
            of: format!("{}: webhook {}", from.of, n + 1),
            fields,
            problems: from.problems,
        };
        let webhook = Webhook::read(&mut fields);
        fields.refuse_others();
        let Some(webhook) = webhook else { continue };
        // A message names its webhook by the URL.
        if webhooks.iter().any(|other| other.url() == webhook.url()) {
            fields.problem("its url is used twice");
        }
        webhooks.push(webhook);
    }
    webhooks
}

/// Takes an app's settings out of its fields.
pub(crate) fn read(from: &mut Fields<'_>) -> Settings {
    let default = Settings::default();
    Settings {
        client_events: from.flag("client_events", default.client_events),
        subscription_count: from.flag("subscription_count", default.subscription_count),
        watchlist: from.flag("watchlist", default.watchlist),
        authorized_connections_timeout_secs: from.number(
            "authorized_connections_timeout_seconds",
            default.authorized_connections_timeout_secs,
            0..=limits::CONNECTION_AGE_MAX_SECS,
        ),
        allowed_origins: origins(from, "allowed_origins"),
        max_presence_members: from.number(
            "max_presence_members",
            default.max_presence_members,
            1..=limits::PRESENCE_MEMBERS_MAX,
        ),
        max_client_events_per_second: from.number(
            "max_client_events_per_second",
            default.max_client_events_per_second,
            1..=1_000,
        ),
        max_event_bytes: from.size("max_event_bytes", default.max_event_bytes),
        max_channels_per_connection: from.size(
            "max_channels_per_connection",
            default.max_channels_per_connection,
        ),
        cache_secs: from.number("cache_seconds", default.cache_secs, 1..=86_400),
        retention_secs: from.number(
            "retention_seconds",
            default.retention_secs,
            0..=limits::RETENTION_SECS_MAX,
        ),
        retention_count: from.number(
            "retention_count",
            default.retention_count,
            0..=limits::RETENTION_COUNT_MAX,
        ),
        webhooks: webhooks(from, "webhooks"),
        webhook_batching: from.flag("webhook_batching", default.webhook_batching),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_exact_or_below_a_host() {
        let admits = |allowed: &[&str], origin: Option<&str>| {
            let settings = Settings {
                allowed_origins: allowed
                    .iter()
                    .map(|origin| Origin::parse(origin).expect("an origin"))
                    .collect(),
                ..Settings::default()
            };
            settings.admits_origin(origin)
        };
        assert!(admits(&[], Some("https://anything.example")));
        let some = ["https://app.example.com", "http://*.test:8080"];
        for origin in [
            "https://app.example.com",
            "HTTPS://APP.EXAMPLE.COM",
            "http://a.b.test:8080",
        ] {
            assert!(admits(&some, Some(origin)), "{origin}");
        }
        assert!(admits(&some, None));
        for origin in [
            "http://app.example.com",
            "https://app.example.com:444",
            "https://app.example.com.evil.example",
            "http://test:8080",
            "http://.test:8080x",
            "null",
            "",
        ] {
            assert!(!admits(&some, Some(origin)), "{origin}");
        }
    }
}
