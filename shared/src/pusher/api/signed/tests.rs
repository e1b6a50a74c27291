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
