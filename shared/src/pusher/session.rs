//! pusher-js's own HTTP transports: what a request of a session asks for, and the lines that it is
//! answered with.
//!
//! A client makes up a session's name, and whoever knows the name has the session: it is shown
//! nowhere, and what a session is known by here is derived from it with the app's secret.

use crate::model::error::Rejection;
use crate::model::limits::{
    QUERY_MAX_BYTES, SESSION_BODY_MAX_BYTES, SESSION_FRAMES_MAX, STREAM_REOPENED_UNITS,
};
use crate::model::session::{Call, Lines, Parting, SessionRequest};

/// Where pusher-js's own path goes on (`httpPath`).
const PATH: &str = "/pusher/app/";
const PROTOCOL: &str = "protocol";
const TOKEN: &str = "token";
const NUMBER: &str = "n";
/// Characters in the two parts of a name, as pusher-js makes them: up to three digits, and eight in
/// base 32.
const SERVER_MAX_CHARS: usize = 3;
const SESSION_CHARS: usize = 8;

/// How pusher-js reads what a session is sent.
pub const LINES: Lines = Lines {
    open: "o\n",
    heartbeat: "h\n",
    frames,
    parting,
    parse: parse_frames,
    reopened_units: STREAM_REOPENED_UNITS,
    filler,
};

/// Reads `/pusher/app/{key}/{server}/{session}/{xhr|xhr_streaming|xhr_send}` and its query.
///
/// # Errors
/// [`Rejection::NotFound`], [`Rejection::QueryTooLong`], [`Rejection::QueryDuplicate`],
/// [`Rejection::SessionNumber`].
pub fn parse(path: &str, query: &str) -> Result<SessionRequest, Rejection> {
    let path = path.strip_prefix(PATH).ok_or(Rejection::NotFound)?;
    let segments: Vec<&str> = path.splitn(5, '/').collect();
    let [app_key, server, session, call] = segments[..] else {
        return Err(Rejection::NotFound);
    };
    let call = match call {
        "xhr" => Call::Poll,
        "xhr_streaming" => Call::Stream,
        "xhr_send" => Call::Send,
        _ => return Err(Rejection::NotFound),
    };
    let is_server = (1..=SERVER_MAX_CHARS).contains(&server.len())
        && server.bytes().all(|byte| byte.is_ascii_digit());
    let is_session =
        session.len() == SESSION_CHARS && session.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_server || !is_session {
        return Err(Rejection::NotFound);
    }
    if query.len() > QUERY_MAX_BYTES {
        return Err(Rejection::QueryTooLong);
    }
    let (mut protocol, mut token, mut number) = (None, None, None);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let slot = match &*key {
            PROTOCOL => &mut protocol,
            TOKEN => &mut token,
            NUMBER => &mut number,
            // pusher-js says more of itself, and what defeats caches.
            _ => continue,
        };
        if slot.replace(value.into_owned()).is_some() {
            return Err(Rejection::QueryDuplicate(key.into_owned()));
        }
    }
    // 15 digits stay whole in JavaScript.
    let is_number = |text: &String| {
        (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let number = number
        .filter(is_number)
        .and_then(|text| text.parse().ok())
        .ok_or(Rejection::SessionNumber)?;
    Ok(SessionRequest {
        app_key: app_key.to_owned(),
        call,
        number,
        protocol,
        token: token.filter(|token| !token.is_empty()),
        name: format!("{server}/{session}"),
    })
}

/// Reads what a client sends: its frames, in order. None is a sign of life.
///
/// # Errors
/// [`Rejection::BodyTooLong`], [`Rejection::SessionFrames`].
fn parse_frames(body: &[u8]) -> Result<Vec<String>, Rejection> {
    if body.len() > SESSION_BODY_MAX_BYTES {
        return Err(Rejection::BodyTooLong {
            max_bytes: SESSION_BODY_MAX_BYTES,
        });
    }
    let frames: Vec<String> = serde_json::from_slice(body)
        .map_err(|problem| Rejection::SessionFrames(problem.to_string()))?;
    if frames.len() > SESSION_FRAMES_MAX {
        let problem = format!("there are {}", frames.len());
        return Err(Rejection::SessionFrames(problem));
    }
    Ok(frames)
}

/// The line that closes a session.
fn parting(parting: &Parting) -> String {
    let parting = serde_json::to_string(&(parting.code, &parting.reason));
    format!("c{}\n", parting.expect("a number and a text always print"))
}

/// The line with these frames in it.
fn frames(frames: &[&str]) -> String {
    let frames = serde_json::to_string(frames).expect("texts always print");
    format!("a{frames}\n")
}

/// A line without frames in it.
fn filler(units: usize) -> String {
    format!("a[{}]\n", " ".repeat(units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::app::{App, Apps};
    use crate::model::secret::OwnKey;

    const PATH: &str = "/pusher/app/key/7/abcd0123/xhr";

    #[test]
    fn a_request_says_which_session_it_is_of_and_what_it_wants() {
        let query = "protocol=7&client=js&t=1&n=12&token=";
        let request = parse(PATH, query).expect("a request");
        assert_eq!((request.call, request.number), (Call::Poll, 12));
        assert_eq!(request.app_key, "key");
        assert_eq!(request.protocol.as_deref(), Some("7"));
        assert_eq!(request.token, None);
        for (path, call) in [("_streaming", Call::Stream), ("_send", Call::Send)] {
            let request = parse(&format!("{PATH}{path}"), "n=1");
            assert_eq!(request.ok().map(|request| request.call), Some(call));
        }
    }

    #[test]
    fn what_is_no_request_of_a_session_is_refused() {
        for path in [
            "/",
            "/pusher/app/key",
            "/pusher/app/key/7/abcd0123",
            "/pusher/app/key/7/abcd0123/",
            "/pusher/app/key/7/abcd0123/eventsource",
            "/pusher/app/key/7/abcd0123/xhr/",
            "/pusher/app/key/x/abcd0123/xhr",
            "/pusher/app/key/1000/abcd0123/xhr",
            "/pusher/app/key//abcd0123/xhr",
            "/pusher/app/key/7/abcd/xhr",
            "/pusher/app/key/7/abcd0123abcd0123/xhr",
            "/pusher/app/key/7/abcd%2F23/xhr",
        ] {
            let refused = parse(path, "n=1").err();
            assert_eq!(refused, Some(Rejection::NotFound), "{path}");
        }
        for query in ["", "n=", "n=-1", "n=x", "n=1234567890123456"] {
            let refused = parse(PATH, query).err();
            assert_eq!(refused, Some(Rejection::SessionNumber), "{query}");
        }
        let twice = parse(PATH, "n=1&n=2").err();
        assert_eq!(twice, Some(Rejection::QueryDuplicate("n".to_owned())));
    }

    #[test]
    fn a_session_is_known_by_its_name_and_app_alone() {
        let apps = r#"[{"id":"1","key":"key","secret":"a"},{"id":"2","key":"b","secret":"a"}]"#;
        let apps = Apps::parse(apps).expect("two apps");
        let [one, two] = ["1", "2"].map(|id| apps.by_id(id).expect("an app"));
        let key = OwnKey::parse(&"k".repeat(32)).expect("a key");
        let id = |path: &str, app: &App| {
            let request = parse(path, "n=1").expect("a request");
            request.connection_id(app, &key)
        };
        assert_eq!(id(PATH, one), id(&format!("{PATH}_send"), one));
        assert_ne!(id(PATH, one), id(PATH, two));
        assert_ne!(id(PATH, one), id("/pusher/app/key/8/abcd0123/xhr", one));
        assert!(!id(PATH, one).as_str().contains("abcd0123"));
    }

    #[test]
    fn what_is_sent_is_a_list_of_texts_within_bounds() {
        assert_eq!(parse_frames(b"[]"), Ok(vec![]));
        let frames = parse_frames(br#"["{\"event\":\"e\"}","b"]"#);
        assert_eq!(
            frames,
            Ok(vec![r#"{"event":"e"}"#.to_owned(), "b".to_owned()])
        );
        let many = format!("[{}\"\"]", "\"\",".repeat(SESSION_FRAMES_MAX));
        for body in ["", "{}", "[1]", "\"a\"", "[\"a\"", "[\"a\"]x", &many] {
            let refused = parse_frames(body.as_bytes());
            assert!(
                matches!(refused, Err(Rejection::SessionFrames(_))),
                "{body}"
            );
        }
        let long = " ".repeat(SESSION_BODY_MAX_BYTES + 1);
        let refused = parse_frames(long.as_bytes());
        assert!(matches!(refused, Err(Rejection::BodyTooLong { .. })));
    }

    #[test]
    fn lines_are_what_pusher_js_reads() {
        assert_eq!(
            frames(&["{\"a\":1}", "b\n"]),
            "a[\"{\\\"a\\\":1}\",\"b\\n\"]\n"
        );
        let parting = parting(&Parting {
            code: 4001,
            reason: "a \"reason\"".to_owned(),
        });
        assert_eq!(parting, "c[4001,\"a \\\"reason\\\"\"]\n");
    }

    #[test]
    fn a_filler_has_no_frames() {
        for units in [0, 1_000] {
            let filler = filler(units);
            let frames = serde_json::from_str::<Vec<String>>(&filler[1..]).ok();
            assert_eq!(frames, Some(vec![]));
            assert!(filler.len() > units);
        }
    }
}
