//! Who may call the HTTP API ("Pusher HTTP API, authentication").

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

use super::{Parameters, path};
use crate::model::app::{App, Apps};
use crate::model::error::Rejection;
use crate::model::event::check_length;
use crate::model::limits::{BATCH_BODY_MAX_BYTES, QUERY_MAX_BYTES, REQUEST_AGE_MAX_SECS};
use crate::model::time::UnixMillis;
use crate::pusher::signature::is_signed;

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
    /// The path as it came, from `/apps/` on.
    pub path: &'a str,
    /// What stands after `?`, as sent.
    pub query: &'a str,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// A request that its app has signed. No `Debug`: the app has a secret.
pub struct Admitted<'a> {
    /// The app: no other app's key signs for it.
    pub app: &'a App,
    /// The query.
    pub parameters: Parameters,
    /// The path as its sender has it, escaped.
    pub path: String,
}

/// Admits a request to the HTTP API of the app that its path names.
///
/// # Errors
/// The first of these that is so: too long, a path of no app, an unknown app, a parameter missing,
/// doubled or of a wrong form, a key of another app, a wrong signature, a time more than 600 s away
/// in either direction, another body than was signed.
pub fn authenticate<'a>(
    apps: &'a Apps,
    request: SignedRequest<'_>,
    now: UnixMillis,
) -> Result<Admitted<'a>, Rejection> {
    if request.query.len() > QUERY_MAX_BYTES {
        return Err(Rejection::QueryTooLong);
    }
    check_length(request.body, BATCH_BODY_MAX_BYTES)?;
    let named = app_named(apps, request.path)?;
    let parameters = Parameters::parse(request.query)?;
    let parameter = |name: &'static str| {
        let found = parameters.get(name);
        found.ok_or(Rejection::AuthParameterMissing(name))
    };
    let key = parameter(KEY)?;
    let app = match named {
        Some(app) => app,
        None => apps.by_key(key).ok_or(Rejection::UnknownKey)?,
    };
    if !app.has_key(key) {
        return Err(Rejection::AuthKey);
    }
    if parameter(VERSION)? != VERSION_SPOKEN {
        return Err(Rejection::AuthVersion);
    }
    let given = parse_timestamp(parameter(TIMESTAMP)?)?;
    let signature = parameter(SIGNATURE)?;
    let is_signed_as = |path: &str| {
        let message = string_to_sign(request.method, path, &parameters);
        is_signed(app.secrets(), message.as_bytes(), signature)
    };
    let mut forms = path::forms(request.path);
    let Some(form) = forms.find(|form| is_signed_as(&form.signed)) else {
        return Err(Rejection::AuthSignature);
    };
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
    let path = form.sent.into_owned();
    Ok(Admitted {
        app,
        parameters,
        path,
    })
}

/// Whether the app is known that a request is about; so is that of one that names none.
#[must_use]
pub fn knows(apps: &Apps, request: SignedRequest<'_>) -> bool {
    match app_named(apps, request.path) {
        Ok(None) => {
            let parameters = Parameters::parse(request.query).ok();
            let key = parameters.as_ref().and_then(|found| found.get(KEY));
            key.is_none_or(|key| apps.by_key(key).is_some())
        }
        Err(Rejection::UnknownApp) => false,
        Ok(Some(_)) | Err(_) => true,
    }
}

/// The app that a path names. `None`: it is under `/users/`, where Python's SDK ends a user's
/// connections, and the key says whose they are.
fn app_named<'a>(apps: &'a Apps, path: &str) -> Result<Option<&'a App>, Rejection> {
    // An id is never unescaped: no two spellings of a path are two apps.
    let mut segments = path.split('/');
    match (segments.next(), segments.next(), segments.next()) {
        (Some(""), Some("apps"), Some(id)) => apps.by_id(id).map(Some).ok_or(Rejection::UnknownApp),
        (Some(""), Some("users"), Some(_)) => Ok(None),
        _ => Err(Rejection::NotFound),
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
fn string_to_sign(method: &str, path: &str, parameters: &Parameters) -> String {
    let pairs: Vec<String> = parameters
        .pairs()
        .filter(|(key, _)| *key != SIGNATURE)
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    format!(
        "{}\n{path}\n{}",
        method.to_ascii_uppercase(),
        pairs.join("&")
    )
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::Sha256;

    use super::*;

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

    fn refused(request: SignedRequest<'_>, now: UnixMillis) -> Rejection {
        authenticate(&apps(), request, now)
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
        let admitted = authenticate(&apps, request(QUERY), NOW).map(|admitted| admitted.app.id());
        assert_eq!(admitted, Ok("3"));
        let upper_case_keys = QUERY.replace("auth_key", "AUTH_KEY");
        assert!(authenticate(&apps, request(&upper_case_keys), NOW).is_ok());
    }

    #[test]
    fn both_ends_of_the_time_window_are_exact() {
        for (now_secs, admitted) in [
            (1_353_088_779, true),
            (1_353_088_780, false),
            (1_353_087_579, true),
            (1_353_087_578, false),
        ] {
            let result =
                authenticate(&apps(), request(QUERY), UnixMillis(now_secs * 1_000)).map(|_| ());
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
        let at = |path| SignedRequest {
            path,
            ..request(QUERY)
        };
        for (path, rejection) in [
            ("/apps/5/events", Rejection::UnknownApp),
            ("/apps/%33/events", Rejection::UnknownApp),
            ("/apps//events", Rejection::UnknownApp),
            ("/apps/4/events", Rejection::AuthKey),
            ("/apps/3/events/", Rejection::AuthSignature),
            ("/apps/3/%65vents/", Rejection::AuthSignature),
            ("//apps/3/events", Rejection::NotFound),
            ("apps/3/events", Rejection::NotFound),
            ("/app/3", Rejection::NotFound),
            ("/", Rejection::NotFound),
            ("", Rejection::NotFound),
        ] {
            assert_eq!(refused(at(path), NOW), rejection, "{path}");
        }
        assert_eq!(
            refused(
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
                SignedRequest {
                    body: b"",
                    ..request(QUERY)
                },
                NOW
            ),
            Rejection::BodyDigest
        );
        assert_eq!(
            refused(request(""), NOW),
            Rejection::AuthParameterMissing(KEY)
        );
        for name in [KEY, TIMESTAMP, VERSION, SIGNATURE] {
            let without: Vec<&str> = QUERY
                .split('&')
                .filter(|pair| !pair.starts_with(name))
                .collect();
            assert_eq!(
                refused(request(&without.join("&")), NOW),
                Rejection::AuthParameterMissing(name)
            );
        }
        let without_digest =
            signed("auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0");
        assert_eq!(
            refused(request(&without_digest), NOW),
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
            assert_eq!(refused(request(&query), NOW), rejection, "{query}");
        }
        let long = vec![b' '; BATCH_BODY_MAX_BYTES + 1];
        assert_eq!(
            refused(
                SignedRequest {
                    body: &long,
                    ..request(QUERY)
                },
                NOW
            ),
            Rejection::BodyTooLong {
                max_bytes: BATCH_BODY_MAX_BYTES
            }
        );
    }

    #[test]
    fn values_are_signed_as_they_read_not_as_they_travel() {
        let parameters = "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&body_md5=ec365a775a4cd0599faeb73354201b6f&filter=a,b c";
        let travelled = signed(parameters).replace("a,b c", "a%2Cb+c");
        assert!(authenticate(&apps(), request(&travelled), NOW).is_ok());
    }

    /// A GET of `path`, signed as if it were `signed_path`, under the key of the app 3.
    fn get(path: &str, signed_path: &str) -> Result<String, Rejection> {
        let parameters =
            "auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0&info=a,b";
        let mut mac = Hmac::<Sha256>::new_from_slice(b"7ad3773142a6692b25b8").expect("any key");
        mac.update(format!("GET\n{signed_path}\n{parameters}").as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let query = format!(
            "{}&auth_signature={signature}",
            parameters.replace("info=a,b", "info[0]=a&info[1]=b")
        );
        let request = SignedRequest {
            method: "GET",
            path,
            query: &query,
            body: b"",
        };
        let apps = apps();
        let admitted = authenticate(&apps, request, NOW)?;
        assert_eq!(admitted.parameters.get("info"), Some("a,b"));
        Ok(format!("{} {}", admitted.app.id(), admitted.path))
    }

    #[test]
    fn a_path_may_be_signed_before_it_is_escaped() {
        let escaped = "/apps/3/users/jos%C3%A9/x";
        for (path, signed_path, sent) in [
            (escaped, escaped, escaped),
            (escaped, "/apps/3/users/jos\u{e9}/x", escaped),
            ("/apps/3/users/jos\u{e9}/x", escaped, escaped),
            (
                "/apps/3/users/a%41",
                "/apps/3/users/a%2541",
                "/apps/3/users/a%2541",
            ),
            ("/users/7/x", "/users/7/x", "/users/7/x"),
        ] {
            assert_eq!(get(path, signed_path), Ok(format!("3 {sent}")), "{path}");
        }
        for (path, signed_path) in [
            (escaped, "/apps/3/users/jose/x"),
            // What was signed for one app is good for no other, however it is written.
            ("/apps/3/channels/../../4/channels", "/apps/4/channels"),
            ("/apps/3%2F..%2F4/channels", "/apps/3/channels"),
            ("/users/7/x", "/apps/3/users/7/x"),
        ] {
            assert!(get(path, signed_path).is_err(), "{path}");
        }
    }
}
