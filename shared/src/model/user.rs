//! Users: who a connection is, as the app's server has signed it or a token says it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::error::Rejection;
use crate::model::limits::{
    USER_DATA_MAX_BYTES, USER_ID_MAX_CHARS, USER_INFO_MAX_BYTES, WATCHLIST_MAX,
};
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::voice::{Client, Voice};

/// A user: an id within its bounds, and what the others on a presence channel are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    info: Option<Value>,
}

impl User {
    /// A user with an id of 1 to 128 characters and up to 1 KB of JSON about it.
    ///
    /// # Errors
    /// [`Rejection::UserId`], [`Rejection::UserInfo`].
    pub fn new(id: String, info: Option<Value>) -> Result<Self, Rejection> {
        if id.is_empty() || id.chars().count() > USER_ID_MAX_CHARS {
            return Err(Rejection::UserId);
        }
        let info = info.filter(|info| !info.is_null());
        if info
            .as_ref()
            .is_some_and(|info| info.to_string().len() > USER_INFO_MAX_BYTES)
        {
            return Err(Rejection::UserInfo);
        }
        Ok(Self { id, info })
    }

    /// Reads the `channel_data` of a presence subscription: `{"user_id":…,"user_info":…}`. An id
    /// may be a number.
    ///
    /// # Errors
    /// [`Rejection::ChannelData`], and those of [`User::new`].
    pub fn of_channel_data(channel_data: &str) -> Result<Self, Rejection> {
        #[derive(Deserialize)]
        struct ChannelData {
            user_id: Value,
            #[serde(default)]
            user_info: Option<Value>,
        }
        let ChannelData { user_id, user_info } =
            read_signed(channel_data).ok_or(Rejection::ChannelData)?;
        let id = id_text(user_id).ok_or(Rejection::ChannelData)?;
        Self::new(id, user_info)
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the others are shown; an empty object when there is nothing.
    #[must_use]
    pub fn shown(&self) -> Value {
        self.info
            .clone()
            .unwrap_or_else(|| Value::Object(serde_json::Map::new()))
    }
}

/// What a client signs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserData {
    /// Who it is.
    pub user: User,
    /// Whom it wants to know online: the first 100, each once.
    pub watchlist: Vec<String>,
    /// Whether there were more.
    pub watchlist_cut: bool,
}

impl UserData {
    /// Reads the `user_data` of a sign-in: `{"id":…,"user_info":…,"watchlist":[…]}`.
    ///
    /// # Errors
    /// [`Rejection::UserData`], and those of [`User::new`].
    pub fn parse(user_data: &str) -> Result<Self, Rejection> {
        #[derive(Deserialize)]
        struct Data {
            id: Value,
            #[serde(default)]
            user_info: Option<Value>,
            #[serde(default)]
            watchlist: Option<Vec<Value>>,
        }
        let Data {
            id,
            user_info,
            watchlist,
        } = read_signed(user_data).ok_or(Rejection::UserData)?;
        let user = User::new(id_text(id).ok_or(Rejection::UserData)?, user_info)?;
        let mut watched: Vec<String> = Vec::new();
        for id in watchlist.unwrap_or_default() {
            let id = id_text(id).ok_or(Rejection::UserData)?;
            if id.is_empty() || id.chars().count() > USER_ID_MAX_CHARS {
                return Err(Rejection::UserId);
            }
            if !watched.contains(&id) {
                watched.push(id);
            }
            if watched.len() > WATCHLIST_MAX {
                break;
            }
        }
        let watchlist_cut = watched.len() > WATCHLIST_MAX;
        watched.truncate(WATCHLIST_MAX);
        Ok(Self {
            user,
            watchlist: watched,
            watchlist_cut,
        })
    }
}

/// What is known of a user's connections, and of what those who watch it were told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserState {
    /// Its signed-in connections, and when each stops counting as alive.
    pub connections: BTreeMap<ConnectionId, UnixMillis>,
    /// What their clients speak, where that is not the first voice.
    pub voices: BTreeMap<ConnectionId, Voice>,
    /// Whether the watchers were last told that it is online; `None` when they were told nothing.
    pub announced: Option<bool>,
}

impl UserState {
    /// The client of one of its connections.
    #[must_use]
    pub fn client<'a>(&self, id: &'a ConnectionId) -> Client<'a> {
        let voice = self.voices.get(id).copied().unwrap_or_default();
        Client { id, voice }
    }

    /// Whether it is online: signed in on at least one connection that has not expired.
    #[must_use]
    pub fn is_online(&self, now: UnixMillis) -> bool {
        self.connections
            .values()
            .any(|&expires_at| expires_at > now)
    }

    /// Whether the watchers have to be told something.
    #[must_use]
    pub fn is_untold(&self, now: UnixMillis) -> bool {
        self.announced.unwrap_or_default() != self.is_online(now)
    }
}

/// A JSON object in a string that the app's server has signed.
fn read_signed<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    if text.len() > USER_DATA_MAX_BYTES || !text.trim_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// An id as text: some apps number their users.
fn id_text(id: Value) -> Option<String> {
    match id {
        Value::String(id) => Some(id),
        Value::Number(id) => Some(id.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_has_a_text_or_a_number_for_an_id() {
        let user = User::of_channel_data(r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#)
            .expect("a user");
        assert_eq!(
            (user.id(), user.shown()),
            ("10", json!({"name": "Mr. Channels"}))
        );
        let user = User::of_channel_data(r#"{"user_id":"ü","more":1}"#).expect("a user");
        assert_eq!((user.id(), user.shown()), ("ü", json!({})));
        let full = json!({"user_id": "u".repeat(128), "user_info": "i".repeat(1_022)});
        assert!(User::of_channel_data(&full.to_string()).is_ok());
    }

    #[test]
    fn what_is_no_member_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"user_id":null}"#,
            r#"{"user_id":{}}"#,
            r#"["u"]"#,
        ] {
            assert_eq!(
                User::of_channel_data(text),
                Err(Rejection::ChannelData),
                "{text}"
            );
        }
        assert_eq!(
            User::of_channel_data(r#"{"user_id":""}"#),
            Err(Rejection::UserId)
        );
        for (id, info, rejection) in [
            ("u".repeat(129), String::new(), Rejection::UserId),
            ("u".to_owned(), "i".repeat(1_023), Rejection::UserInfo),
        ] {
            let data = json!({"user_id": id, "user_info": info}).to_string();
            assert_eq!(User::of_channel_data(&data), Err(rejection));
        }
    }

    #[test]
    fn a_user_is_online_on_one_connection_or_more() {
        let state = |expiries: &[u64], announced: Option<bool>| UserState {
            voices: BTreeMap::new(),
            connections: expiries
                .iter()
                .map(|&expires_at| {
                    let id = ConnectionId::new(expires_at.to_string());
                    (id, UnixMillis(expires_at))
                })
                .collect(),
            announced,
        };
        let now = UnixMillis(1_000);
        for (expiries, online) in [
            (&[][..], false),
            (&[1_000][..], false),
            (&[1_001][..], true),
            (&[500, 2_000][..], true),
        ] {
            assert_eq!(state(expiries, None).is_online(now), online, "{expiries:?}");
            assert!(!state(expiries, Some(online)).is_untold(now));
            assert!(state(expiries, Some(!online)).is_untold(now));
        }
        assert!(!state(&[], None).is_untold(now) && state(&[2_000], None).is_untold(now));
    }

    #[test]
    fn a_watchlist_is_cut_at_a_hundred() {
        let data = |count: usize| {
            let ids: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            UserData::parse(&json!({"id": 7, "watchlist": ids}).to_string()).expect("user data")
        };
        assert_eq!(
            data(0),
            UserData::parse(r#"{"id":"7"}"#).expect("user data")
        );
        assert_eq!(
            (data(100).watchlist.len(), data(100).watchlist_cut),
            (100, false)
        );
        assert_eq!(
            (data(101).watchlist.len(), data(101).watchlist_cut),
            (100, true)
        );
        let twice = UserData::parse(r#"{"id":"7","watchlist":["1",1,"2"]}"#).expect("user data");
        assert_eq!(twice.watchlist, ["1", "2"]);
        for text in [
            "{}",
            r#"{"id":""}"#,
            r#"{"id":"7","watchlist":"1"}"#,
            r#"{"id":"7","watchlist":[null]}"#,
        ] {
            assert!(UserData::parse(text).is_err(), "{text}");
        }
    }
}
