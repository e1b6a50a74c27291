//! pusher-js's own HTTP transports: what a request of a session asks for, and the lines that it is
//! answered with.
//!
//! A client makes up a session's name, and whoever knows the name has the session: it is shown
//! nowhere, and what a session is known by here is derived from it with the app's secret.

use serde::{Deserialize, Serialize};

use crate::model::app::App;
use crate::model::error::Rejection;
use crate::model::limits::{
    QUERY_MAX_BYTES, SESSION_BODY_MAX_BYTES, SESSION_FRAMES_MAX, STREAM_REOPENED_UNITS,
};
use crate::model::secret::OwnKey;
use crate::model::socket_id::ConnectionId;
use crate::pusher::signature::sign;

/// Where pusher-js's own path goes on (`httpPath`).
const PATH: &str = "/pusher/app/";
const PROTOCOL: &str = "protocol";
const TOKEN: &str = "token";
const NUMBER: &str = "n";
/// Characters in the two parts of a name, as pusher-js makes them: up to three digits, and eight in
/// base 32.
const SERVER_MAX_CHARS: usize = 3;
const SESSION_CHARS: usize = 8;

/// Says that the session is open.
pub const OPEN: &str = "o\n";
/// Says that there is nothing to say.
pub const HEARTBEAT: &str = "h\n";

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// To be answered once there is something.
    Poll,
    /// To be answered bit by bit.
    Stream,
    /// To say something.
    Send,
}

/// A request of a session. No `Debug`: it holds the name and the token.
pub struct Request {
    /// The app's key.
    pub app_key: String,
    /// What it wants.
    pub call: Call,
    /// Which of the client's requests it is: each has a higher number than those before.
    pub number: u64,
    /// The protocol's version.
    pub protocol: Option<String>,
    /// A token, when it brought one.
    pub token: Option<String>,
    name: String,
}

impl Request {
    /// Reads `/pusher/app/{key}/{server}/{session}/{xhr|xhr_streaming|xhr_send}` and its query.
    ///
    /// # Errors
    /// [`Rejection::NotFound`], [`Rejection::QueryTooLong`], [`Rejection::QueryDuplicate`],
    /// [`Rejection::SessionNumber`].
    pub fn parse(path: &str, query: &str) -> Result<Self, Rejection> {
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
        let is_session = session.len() == SESSION_CHARS
            && session.bytes().all(|byte| byte.is_ascii_alphanumeric());
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
        Ok(Self {
            app_key: app_key.to_owned(),
            call,
            number,
            protocol,
            token: token.filter(|token| !token.is_empty()),
            name: format!("{server}/{session}"),
        })
    }

    /// What the session is known by. Nobody can find out the name from it, or choose another's.
    #[must_use]
    pub fn connection_id(&self, app: &App, key: &OwnKey) -> ConnectionId {
        let named = format!("session/{}/{}", app.id(), self.name);
        // Not an app's secret: with a new one every session would be another.
        ConnectionId::of_session(&sign(key.secrets().current(), named.as_bytes()))
    }
}

/// Reads what a client sends: its frames, in order. None is a sign of life.
///
/// # Errors
/// [`Rejection::BodyTooLong`], [`Rejection::SessionFrames`].
pub fn parse_frames(body: &[u8]) -> Result<Vec<String>, Rejection> {
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

/// How a session was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parting {
    /// The protocol's code: it says what the client will do.
    pub code: u16,
    /// For whoever reads the client's log.
    pub reason: String,
}

impl Parting {
    /// For a reason, or for none that the client could mend.
    #[must_use]
    pub fn new(reason: Option<&Rejection>) -> Self {
        let text = reason.map(ToString::to_string);
        Self {
            code: Rejection::close_code(reason),
            reason: text.unwrap_or_else(|| "this connection is over: connect again".to_owned()),
        }
    }

    /// The line that closes the session.
    #[must_use]
    pub fn line(&self) -> String {
        let parting = serde_json::to_string(&(self.code, &self.reason));
        format!("c{}\n", parting.expect("a number and a text always print"))
    }
}

/// The line with these frames in it.
#[must_use]
pub fn line<'a>(frames: impl IntoIterator<Item = &'a str>) -> String {
    let frames: Vec<&str> = frames.into_iter().collect();
    let frames = serde_json::to_string(&frames).expect("texts always print");
    format!("a{frames}\n")
}

/// How much a stream has been sent, as its client counts it. pusher-js opens a stream anew as soon as
/// it has read a line that ends beyond [`STREAM_REOPENED_UNITS`], and what comes after that line is
/// lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    units: usize,
}

impl Sent {
    /// Counts a line.
    pub fn count(&mut self, line: &str) {
        self.units += line.encode_utf16().count();
    }

    /// Whether nothing more may be sent.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.units > STREAM_REOPENED_UNITS
    }

    /// A line without frames in it that fills the stream up.
    #[must_use]
    pub fn filler(self) -> String {
        let missing = STREAM_REOPENED_UNITS.saturating_sub(self.units);
        format!("a[{}]\n", " ".repeat(missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::app::Apps;

    const PATH: &str = "/pusher/app/key/7/abcd0123/xhr";

    #[test]
    fn a_request_says_which_session_it_is_of_and_what_it_wants() {
        let query = "protocol=7&client=js&t=1&n=12&token=";
        let request = Request::parse(PATH, query).expect("a request");
        assert_eq!((request.call, request.number), (Call::Poll, 12));
        assert_eq!(request.app_key, "key");
        assert_eq!(request.protocol.as_deref(), Some("7"));
        assert_eq!(request.token, None);
        for (path, call) in [("_streaming", Call::Stream), ("_send", Call::Send)] {
            let request = Request::parse(&format!("{PATH}{path}"), "n=1");
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
            let refused = Request::parse(path, "n=1").err();
            assert_eq!(refused, Some(Rejection::NotFound), "{path}");
        }
        for query in ["", "n=", "n=-1", "n=x", "n=1234567890123456"] {
            let refused = Request::parse(PATH, query).err();
            assert_eq!(refused, Some(Rejection::SessionNumber), "{query}");
        }
        let twice = Request::parse(PATH, "n=1&n=2").err();
        assert_eq!(twice, Some(Rejection::QueryDuplicate("n".to_owned())));
    }

    #[test]
    fn a_session_is_known_by_its_name_and_app_alone() {
        let apps = r#"[{"id":"1","key":"key","secret":"a"},{"id":"2","key":"b","secret":"a"}]"#;
        let apps = Apps::parse(apps).expect("two apps");
        let [one, two] = ["1", "2"].map(|id| apps.by_id(id).expect("an app"));
        let key = OwnKey::parse(&"k".repeat(32)).expect("a key");
        let id = |path: &str, app: &App| {
            let request = Request::parse(path, "n=1").expect("a request");
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
            line(["{\"a\":1}", "b\n"]),
            "a[\"{\\\"a\\\":1}\",\"b\\n\"]\n"
        );
        let parting = Parting::new(Some(&Rejection::UnknownKey));
        assert!(parting.line().starts_with("c[4001,\"") && parting.line().ends_with("\"]\n"));
        assert_eq!(Parting::new(None).code, 4200);
        // It says nothing of its own that a client could act on.
        assert_eq!(Parting::new(Some(&Rejection::NotFound)).code, 4200);
    }

    #[test]
    fn a_stream_is_full_with_the_line_that_its_client_leaves_after() {
        let mut sent = Sent::default();
        sent.count(&"€".repeat(STREAM_REOPENED_UNITS));
        assert!(!sent.is_full(), "pusher-js reads on");
        sent.count(HEARTBEAT);
        assert!(sent.is_full());
        for before in [0, 1_000, STREAM_REOPENED_UNITS] {
            let mut sent = Sent::default();
            sent.count(&"a".repeat(before));
            let filler = sent.filler();
            assert_eq!(
                serde_json::from_str::<Vec<String>>(&filler[1..]).ok(),
                Some(vec![])
            );
            sent.count(&filler);
            assert!(sent.is_full(), "{before}");
        }
    }
}
