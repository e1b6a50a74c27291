//! Signatures: who may call the HTTP API, and who may join a channel.
//!
//! Every comparison of a secret's derivative is in constant time. A refused request learns which
//! parameter was wrong, never what the right signature would have been.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::app::{App, Apps, Secret};
use crate::channel::Channel;
use crate::error::Rejection;
use crate::limits::{HTTP_BODY_MAX_BYTES, QUERY_MAX_BYTES, REQUEST_AGE_MAX_SECS};
use crate::socket_id::SocketId;
use crate::time::UnixMillis;

const SIGNATURE: &str = "auth_signature";
const KEY: &str = "auth_key";
const TIMESTAMP: &str = "auth_timestamp";
const VERSION: &str = "auth_version";
const BODY_DIGEST: &str = "body_md5";
const VERSION_SPOKEN: &str = "1.0";

/// An HTTP request as it came over the wire.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// `GET`, `POST`…
    pub method: &'a str,
    /// The path as sent, from `/apps/` on.
    pub path: &'a str,
    /// What stands after `?`, as sent.
    pub query: &'a str,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// Admits a request to the HTTP API of the app `app_id` ("Pusher HTTP API, authentication").
///
/// # Errors
/// The first of these that is so: too long, unknown app, a parameter missing, doubled or of a
/// wrong form, a key of another app, a wrong signature, a time more than 600 s away in either
/// direction, another body than was signed.
pub fn authenticate<'a>(
    apps: &'a Apps,
    app_id: &str,
    request: SignedRequest<'_>,
    now: UnixMillis,
) -> Result<&'a App, Rejection> {
    if request.query.len() > QUERY_MAX_BYTES {
        return Err(Rejection::QueryTooLong);
    }
    if request.body.len() > HTTP_BODY_MAX_BYTES {
        return Err(Rejection::BodyTooLong);
    }
    let app = apps.by_id(app_id).ok_or(Rejection::UnknownApp)?;
    let parameters = parse_query(request.query)?;
    let parameter = |name: &'static str| {
        let found = parameters.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .ok_or(Rejection::AuthParameterMissing(name))
    };
    if !app.has_key(parameter(KEY)?) {
        return Err(Rejection::AuthKey);
    }
    if parameter(VERSION)? != VERSION_SPOKEN {
        return Err(Rejection::AuthVersion);
    }
    let given = parse_timestamp(parameter(TIMESTAMP)?)?;
    let signature = parameter(SIGNATURE)?;
    if !is_signed(
        app.secret(),
        string_to_sign(&request, &parameters).as_bytes(),
        signature,
    ) {
        return Err(Rejection::AuthSignature);
    }
    if given.abs_diff(now.secs()) > REQUEST_AGE_MAX_SECS {
        return Err(Rejection::AuthExpired {
            given,
            now: now.secs(),
        });
    }
    // An empty body needs none, but does not pass for one that was signed.
    if !request.body.is_empty() || parameter(BODY_DIGEST).is_ok() {
        let digest = hex::encode(Md5::digest(request.body));
        if !bool::from(digest.as_bytes().ct_eq(parameter(BODY_DIGEST)?.as_bytes())) {
            return Err(Rejection::BodyDigest);
        }
    }
    Ok(app)
}

/// Whether `auth`, which is `KEY:HEX`, admits this socket to this channel.
#[must_use]
pub fn admits(
    app: &App,
    socket_id: &SocketId,
    channel: &Channel,
    channel_data: Option<&str>,
    auth: &str,
) -> bool {
    // Whatever the channel: what is sent along is signed along.
    let signed = match channel_data {
        Some(channel_data) => format!("{socket_id}:{channel}:{channel_data}"),
        None => format!("{socket_id}:{channel}"),
    };
    is_authorized(app, &signed, auth)
}

/// Whether `auth`, which is `KEY:HEX`, admits this socket as the user that `user_data` names. What
/// admits to a channel never does: no channel's name holds a colon.
#[must_use]
pub fn signs_in(app: &App, socket_id: &SocketId, user_data: &str, auth: &str) -> bool {
    is_authorized(app, &format!("{socket_id}::user::{user_data}"), auth)
}

fn is_authorized(app: &App, signed: &str, auth: &str) -> bool {
    let Some((key, signature)) = auth.split_once(':') else {
        return false;
    };
    app.has_key(key) & is_signed(app.secret(), signed.as_bytes(), signature)
}

/// A decoded query with its keys in lower case, sorted by them, each once.
fn parse_query(query: &str) -> Result<Vec<(String, String)>, Rejection> {
    let mut parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .map(|(key, value)| (key.to_ascii_lowercase(), value.into_owned()))
        .collect();
    parameters.sort();
    match parameters.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(Rejection::QueryDuplicate(
            pair[0].0.chars().take(64).collect(),
        )),
        None => Ok(parameters),
    }
}

fn parse_timestamp(text: &str) -> Result<u64, Rejection> {
    // `parse` alone would take a leading `+`.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| Rejection::AuthTimestamp)
    } else {
        Err(Rejection::AuthTimestamp)
    }
}

/// The method, the path and all parameters but the signature, values not escaped.
fn string_to_sign(request: &SignedRequest<'_>, sorted: &[(String, String)]) -> String {
    let pairs: Vec<String> = sorted
        .iter()
        .filter(|(key, _)| key != SIGNATURE)
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    format!(
        "{}\n{}\n{}",
        request.method.to_ascii_uppercase(),
        request.path,
        pairs.join("&")
    )
}

/// The lower-case hex HMAC-SHA256 of `message`: what shows that the secret is known.
#[must_use]
pub fn sign(secret: &Secret, message: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

/// Whether `signature` is what [`sign`] makes of `message`.
fn is_signed(secret: &Secret, message: &[u8], signature: &str) -> bool {
    let expected = sign(secret, message);
    expected.as_bytes().ct_eq(signature.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket_id::SocketId;

    /// The app of Pusher's published examples.
    fn apps() -> Apps {
        let json = r#"[{"id":"3","key":"278d425bdf160c739803","secret":"7ad3773142a6692b25b8"},{"id":"4","key":"other","secret":"7ad3773142a6692b25b8"}]"#;
        Apps::parse(json).expect("two apps")
    }

    const NOW: UnixMillis = UnixMillis(1_353_088_179_000);
    const BODY: &[u8] = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
    const QUERY: &str = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";

    fn request(query: &str) -> SignedRequest<'_> {
        SignedRequest {
            method: "POST",
            path: "/apps/3/events",
            query,
            body: BODY,
        }
    }

    fn refused(app_id: &str, request: SignedRequest<'_>, now: UnixMillis) -> Rejection {
        authenticate(&apps(), app_id, request, now)
            .map(|_| ())
            .expect_err("must be refused")
    }

    /// Signs `parameters` (sorted) as an SDK does.
    fn signed(parameters: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"7ad3773142a6692b25b8").expect("any key");
        mac.update(format!("POST\n/apps/3/events\n{parameters}").as_bytes());
        format!(
            "{parameters}&auth_signature={}",
            hex::encode(mac.finalize().into_bytes())
        )
    }

    #[test]
    fn the_published_request_is_admitted() {
        // "HTTP API reference, authentication": the worked example.
        let apps = apps();
        let admitted = authenticate(&apps, "3", request(QUERY), NOW).map(App::id);
        assert_eq!(admitted, Ok("3"));
        let upper_case_keys = QUERY.replace("auth_key", "AUTH_KEY");
        assert!(authenticate(&apps, "3", request(&upper_case_keys), NOW).is_ok());
    }

    #[test]
    fn both_ends_of_the_time_window_are_exact() {
        for (now_secs, admitted) in [
            (1_353_088_779, true),
            (1_353_088_780, false),
            (1_353_087_579, true),
            (1_353_087_578, false),
        ] {
            let result = authenticate(&apps(), "3", request(QUERY), UnixMillis(now_secs * 1_000))
                .map(|_| ());
            let expected = if admitted {
                Ok(())
            } else {
                Err(Rejection::AuthExpired {
                    given: 1_353_088_179,
                    now: now_secs,
                })
            };
            assert_eq!(result, expected, "{now_secs}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        assert_eq!(refused("5", request(QUERY), NOW), Rejection::UnknownApp);
        assert_eq!(refused("4", request(QUERY), NOW), Rejection::AuthKey);
        assert_eq!(
            refused(
                "3",
                SignedRequest {
                    path: "/apps/3/tokens",
                    ..request(QUERY)
                },
                NOW
            ),
            Rejection::AuthSignature
        );
        assert_eq!(
            refused(
                "3",
                SignedRequest {
                    method: "GET",
                    ..request(QUERY)
                },
                NOW
            ),
            Rejection::AuthSignature
        );
        assert_eq!(
            refused(
                "3",
                SignedRequest {
                    body: b"{}",
                    ..request(QUERY)
                },
                NOW
            ),
            Rejection::BodyDigest
        );
        assert_eq!(
            refused(
                "3",
                SignedRequest {
                    body: b"",
                    ..request(QUERY)
                },
                NOW
            ),
            Rejection::BodyDigest
        );
        assert_eq!(
            refused("3", request(""), NOW),
            Rejection::AuthParameterMissing(KEY)
        );
        for name in [KEY, TIMESTAMP, VERSION, SIGNATURE] {
            let without: Vec<&str> = QUERY
                .split('&')
                .filter(|pair| !pair.starts_with(name))
                .collect();
            assert_eq!(
                refused("3", request(&without.join("&")), NOW),
                Rejection::AuthParameterMissing(name)
            );
        }
        let without_digest =
            signed("auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0");
        assert_eq!(
            refused("3", request(&without_digest), NOW),
            Rejection::AuthParameterMissing(BODY_DIGEST)
        );
        for (query, rejection) in [
            (QUERY.replace("=1.0", "=1.1"), Rejection::AuthVersion),
            (
                QUERY.replace("=1353088179", "=%2B1353088179"),
                Rejection::AuthTimestamp,
            ),
            (QUERY.replace("=1353088179", "="), Rejection::AuthTimestamp),
            (
                QUERY.replace("=1353088179", "=99999999999999999999"),
                Rejection::AuthTimestamp,
            ),
            (QUERY.replace("=da45", "=DA45"), Rejection::AuthSignature),
            (QUERY.replace("=da45", "="), Rejection::AuthSignature),
            (
                format!("{QUERY}&auth_key=278d425bdf160c739803"),
                Rejection::QueryDuplicate(KEY.to_owned()),
            ),
            (
                format!("{QUERY}&Auth_Key=other"),
                Rejection::QueryDuplicate(KEY.to_owned()),
            ),
            (format!("{QUERY}&info=a"), Rejection::AuthSignature),
            ("a".repeat(QUERY_MAX_BYTES + 1), Rejection::QueryTooLong),
        ] {
            assert_eq!(refused("3", request(&query), NOW), rejection, "{query}");
        }
        let long = vec![b' '; HTTP_BODY_MAX_BYTES + 1];
        assert_eq!(
            refused(
                "3",
                SignedRequest {
                    body: &long,
                    ..request(QUERY)
                },
                NOW
            ),
            Rejection::BodyTooLong
        );
    }

    #[test]
    fn values_are_signed_as_they_read_not_as_they_travel() {
        let parameters = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f&filter=a,b c";
        let travelled = signed(parameters).replace("a,b c", "a%2Cb+c");
        assert!(authenticate(&apps(), "3", request(&travelled), NOW).is_ok());
    }

    #[test]
    fn the_published_channel_signatures_admit() {
        // "Generating authentication signatures"; the presence digest there is stale (it is that
        // of the name "Mr. Pusher"), so this one was computed for the text as printed.
        let apps = apps();
        let app = apps.by_id("3").expect("the app");
        let socket_id = SocketId::parse("1234.1234").expect("an id");
        let private = Channel::parse("private-foobar").expect("a name");
        let presence = Channel::parse("presence-foobar").expect("a name");
        let auth =
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
        assert!(admits(app, &socket_id, &private, None, auth));
        let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
        let presence_auth =
            "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80";
        assert!(admits(
            app,
            &socket_id,
            &presence,
            Some(data),
            presence_auth
        ));

        let elsewhere = SocketId::parse("1234.1235").expect("an id");
        assert!(!admits(app, &elsewhere, &private, None, auth));
        assert!(!admits(
            app,
            &socket_id,
            &Channel::parse("private-foobaz").expect("a name"),
            None,
            auth
        ));
        assert!(!admits(app, &socket_id, &private, Some(""), auth));
        assert!(!admits(
            app,
            &socket_id,
            &private,
            None,
            &auth.replace("278d", "378d")
        ));
        for auth in [
            "",
            ":",
            "278d425bdf160c739803",
            "278d425bdf160c739803:",
            &auth.to_uppercase(),
        ] {
            assert!(!admits(app, &socket_id, &private, None, auth), "{auth}");
        }
    }

    #[test]
    fn the_published_user_signature_signs_in_and_does_nothing_else() {
        // "Generating authentication signatures".
        let apps = apps();
        let app = apps.by_id("3").expect("the app");
        let socket_id = SocketId::parse("1234.1234").expect("an id");
        let user_data = r#"{"id":"12345"}"#;
        let auth =
            "278d425bdf160c739803:4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba";
        assert!(signs_in(app, &socket_id, user_data, auth));

        let elsewhere = SocketId::parse("1234.1235").expect("an id");
        assert!(!signs_in(app, &elsewhere, user_data, auth));
        assert!(!signs_in(app, &socket_id, r#"{"id":"12346"}"#, auth));
        assert!(!signs_in(app, &socket_id, r#"{"id": "12345"}"#, auth));
        let other = apps.by_id("4").expect("the other app");
        assert!(!signs_in(other, &socket_id, user_data, auth));
        // Neither is good for the other.
        let private = Channel::parse("private-foobar").expect("a name");
        assert!(!admits(app, &socket_id, &private, Some(user_data), auth));
        let of_channel =
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
        assert!(!signs_in(app, &socket_id, "private-foobar", of_channel));
        for auth in [
            "",
            ":",
            "278d425bdf160c739803:",
            &auth.to_uppercase(),
            &auth.replace("278d", "378d"),
        ] {
            assert!(!signs_in(app, &socket_id, user_data, auth), "{auth}");
        }
    }
}
