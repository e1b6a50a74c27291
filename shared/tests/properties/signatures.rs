//! Who may call the HTTP API, and who may join: against a signer of its own, written from the
//! published rules.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;
use sha2::Sha256;
use shared::model::app::{App, Apps};
use shared::model::channel::Channel;
use shared::model::error::Rejection;
use shared::model::limits::{BATCH_BODY_MAX_BYTES, QUERY_MAX_BYTES, REQUEST_AGE_MAX_SECS};
use shared::model::socket_id::SocketId;
use shared::model::time::UnixMillis;
use shared::pusher::api::{SignedRequest, authenticate};
use shared::pusher::signature::admits;

use crate::inputs::{Step, any_channel_name, escaped, filled, socket_id, step, style, text};
use crate::{config, is_told};

const SECRET: &str = "7ad3773142a6692b25b8";

fn apps() -> Apps {
    let json = json!([
        { "id": "1", "key": "one", "secret": SECRET },
        { "id": "2", "key": "two", "secret": "another" },
    ]);
    Apps::parse(&json.to_string()).expect("two apps")
}

fn sign(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// A request, with its parameters as they read.
#[derive(Clone, Debug, PartialEq)]
struct Call {
    method: String,
    path: String,
    parameters: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Call {
    /// Signs it: the method, the path and the parameters sorted by key, a line each.
    fn sign(&mut self, secret: &str) {
        let mut sorted = self.parameters.clone();
        sorted.sort();
        let pairs: Vec<String> = sorted
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let signature = sign(
            secret,
            &format!("{}\n{}\n{}", self.method, self.path, pairs.join("&")),
        );
        self.parameters
            .push(("auth_signature".to_owned(), signature));
    }

    /// Its query in an order and a spelling of `style`'s.
    fn query(&self, style: &[u8]) -> String {
        let turn = usize::from(style[0]) % self.parameters.len().max(1);
        let (last, first) = self.parameters.split_at(turn.min(self.parameters.len()));
        let write = |((key, value), style): (&(String, String), &u8)| {
            let key = if style % 2 == 0 {
                key.to_ascii_uppercase()
            } else {
                key.clone()
            };
            let style = [*style, style.rotate_left(3), style.rotate_left(5)];
            format!("{}={}", escaped(&key, &style), escaped(value, &style))
        };
        let pairs: Vec<String> = first
            .iter()
            .chain(last)
            .zip(style.iter().cycle())
            .map(write)
            .collect();
        pairs.join("&")
    }

    fn authenticate(&self, style: &[u8], now: UnixMillis) -> Result<String, Rejection> {
        let query = self.query(style);
        let request = SignedRequest {
            method: &self.method,
            path: &self.path,
            query: &query,
            body: &self.body,
        };
        authenticate(&apps(), request, now).map(|admitted| admitted.app.id().to_owned())
    }
}

/// A request at a time, not signed yet.
fn call(at_secs: u64) -> impl Strategy<Value = Call> {
    (
        select(&["GET", "POST", "PUT", "DELETE"][..]),
        "/apps/1/[!-~é]{1,40}",
        btree_map("[a-z][a-z_]{0,8}", text(), 0..5),
        vec(any::<u8>(), 0..64),
    )
        .prop_map(move |(method, path, mut parameters, body)| {
            parameters.insert("auth_key".to_owned(), "one".to_owned());
            parameters.insert("auth_timestamp".to_owned(), at_secs.to_string());
            parameters.insert("auth_version".to_owned(), "1.0".to_owned());
            if !body.is_empty() {
                parameters.insert("body_md5".to_owned(), hex::encode(Md5::digest(&body)));
            }
            Call {
                method: method.to_owned(),
                path,
                parameters: parameters.into_iter().collect(),
                body,
            }
        })
}

const AT_SECS: u64 = 1_790_000_000;
const NOW: UnixMillis = UnixMillis(AT_SECS * 1_000);

/// What can be done to a signed request.
#[derive(Clone, Debug)]
enum Change {
    App,
    Method(&'static str),
    Path(Step),
    Value(Index, Step),
    Drop(Index),
    Add(String, String),
    Body(Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => Just(Change::App),
        2 => select(&["GET", "POST", "PUT", "DELETE", "PATCH"][..]).prop_map(Change::Method),
        2 => step().prop_map(Change::Path),
        4 => (any::<Index>(), step()).prop_map(|(at, step)| Change::Value(at, step)),
        2 => any::<Index>().prop_map(Change::Drop),
        2 => ("[a-z]{1,9}", text()).prop_map(|(key, value)| Change::Add(key, value)),
        2 => vec(any::<u8>(), 0..8).prop_map(Change::Body),
    ]
}

fn changed(call: &Call, change: &Change) -> Call {
    let mut call = call.clone();
    match change {
        Change::App => call.path = call.path.replacen("/1/", "/2/", 1),
        Change::Method(method) => call.method = (*method).to_owned(),
        Change::Path(step) => call.path = step.from(&call.path),
        Change::Value(at, step) => {
            let (_, value) = at.get_mut(&mut call.parameters);
            *value = step.from(value);
        }
        Change::Drop(at) => drop(call.parameters.remove(at.index(call.parameters.len()))),
        Change::Add(key, value) => call.parameters.push((key.clone(), value.clone())),
        Change::Body(body) => call.body.clone_from(body),
    }
    call
}

/// A query with the parameters of a signature, not all of them right.
fn perhaps_signed() -> impl Strategy<Value = String> {
    let keys = [
        "auth_key",
        "AUTH_KEY",
        "auth_timestamp",
        "auth_version",
        "auth_signature",
        "body_md5",
        "a",
    ];
    let value = prop_oneof![
        text(),
        Just("one".to_owned()),
        Just("1.0".to_owned()),
        Just(AT_SECS.to_string()),
    ];
    let pair = (select(keys.to_vec()), value).prop_map(|(key, value)| format!("{key}={value}"));
    vec(pair, 0..9).prop_map(|pairs| pairs.join("&"))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_the_app_has_signed_is_admitted_however_it_is_written(
        mut call in call(AT_SECS),
        style in style(),
    ) {
        call.sign(SECRET);
        prop_assert_eq!(call.authenticate(&style, NOW), Ok("1".to_owned()));
    }

    #[test]
    fn what_another_secret_has_signed_is_refused(
        mut call in call(AT_SECS),
        style in style(),
        secret in text(),
    ) {
        prop_assume!(secret != SECRET);
        call.sign(&secret);
        prop_assert_eq!(call.authenticate(&style, NOW), Err(Rejection::AuthSignature));
    }

    #[test]
    fn no_part_of_a_signed_request_can_be_changed(
        mut call in call(AT_SECS),
        style in style(),
        change in change(),
    ) {
        call.sign(SECRET);
        let forged = changed(&call, &change);
        if forged == call {
            return Ok(());
        }
        match forged.authenticate(&style, NOW) {
            Ok(app) => prop_assert!(false, "admitted to {app}: {change:?}"),
            Err(rejection) => is_told(&rejection)?,
        }
    }

    #[test]
    fn a_signature_is_good_for_ten_minutes_either_way(
        (mut call, at) in (0..4_000_000_000_u64).prop_flat_map(|at| (call(at), Just(at))),
        style in style(),
        (away, millis) in (0..=2 * REQUEST_AGE_MAX_SECS, 0..1_000_u64),
        before in any::<bool>(),
    ) {
        call.sign(SECRET);
        let now_secs = if before { at.saturating_sub(away) } else { at + away };
        let expected = if at.abs_diff(now_secs) <= REQUEST_AGE_MAX_SECS {
            Ok("1".to_owned())
        } else {
            Err(Rejection::AuthExpired { given: at, now: now_secs })
        };
        prop_assert_eq!(call.authenticate(&style, UnixMillis(now_secs * 1_000 + millis)), expected);
    }

    #[test]
    fn whatever_nobody_has_signed_is_refused(
        method in text(),
        path in prop_oneof![
            text(),
            text().prop_map(|text| format!("/apps/{text}/events")),
            text().prop_map(|text| format!("/apps/1/{text}")),
            text().prop_map(|text| format!("/users/{text}")),
        ],
        query in prop_oneof![
            2 => text(),
            2 => perhaps_signed(),
            1 => (0..QUERY_MAX_BYTES * 2).prop_map(|length| "%3".repeat(length / 2)),
        ],
        body in prop_oneof![
            9 => vec(any::<u8>(), 0..64),
            1 => filled(b'{', BATCH_BODY_MAX_BYTES),
        ],
        now in any::<u64>(),
    ) {
        let request = SignedRequest { method: &method, path: &path, query: &query, body: &body };
        match authenticate(&apps(), request, UnixMillis(now)) {
            Ok(admitted) => prop_assert!(false, "admitted to {}", admitted.app.id()),
            Err(rejection) => is_told(&rejection)?,
        }
    }

    #[test]
    fn only_the_apps_signature_for_this_socket_and_channel_admits(
        (socket, other_socket) in (socket_id(), socket_id()),
        (name, other_name) in (any_channel_name(), any_channel_name()),
        (data, other_data) in (prop::option::of(text()), prop::option::of(text())),
        step in step(),
    ) {
        let apps = apps();
        let app: &App = apps.by_id("1").expect("the app");
        let signed = match &data {
            Some(data) => format!("{socket}:{name}:{data}"),
            None => format!("{socket}:{name}"),
        };
        let auth = format!("one:{}", sign(SECRET, &signed));
        let joins = |socket: &str, name: &str, data: &Option<String>, auth: &str| {
            let socket = SocketId::parse(socket).expect("a socket id");
            let channel = Channel::parse(name).expect("a name");
            admits(app, &socket, &channel, data.as_deref(), auth)
        };
        prop_assert!(joins(&socket, &name, &data, &auth));
        prop_assert_eq!(joins(&other_socket, &name, &data, &auth), other_socket == socket);
        prop_assert_eq!(joins(&socket, &other_name, &data, &auth), other_name == name);
        prop_assert_eq!(joins(&socket, &name, &other_data, &auth), other_data == data);
        let near = step.from(&auth);
        prop_assert_eq!(joins(&socket, &name, &data, &near), near == auth);
        let other_app = format!("two:{}", sign("another", &signed));
        prop_assert!(!joins(&socket, &name, &data, &other_app));
        let other_secret = format!("one:{}", sign("another", &signed));
        prop_assert!(!joins(&socket, &name, &data, &other_secret));
    }
}
