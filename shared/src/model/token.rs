//! Tokens: what one grants, how it is written, and the request that issues one.
//!
//! The secret half of a token exists in the answer that issues it and in the URL that spends it.
//! The table knows its SHA-256 alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::channel::{Channel, ChannelPattern};
use crate::model::error::{Fault, Rejection};
use crate::model::event::read_object;
use crate::model::limits::{
    HTTP_BODY_MAX_BYTES, TOKEN_CHANNELS_MAX, TOKEN_RECONNECT_MAX_SECS, TOKEN_TTL_DEFAULT_SECS,
    TOKEN_TTL_MAX_SECS,
};
use crate::model::user::User;

/// Random bytes in a token: 256 bits, beyond any guessing.
const TOKEN_BYTES: usize = 32;

/// A token as its bearer holds it. No `Debug`: it must not reach a log.
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// A new one from the operating system's generator.
    ///
    /// # Errors
    /// [`Fault::Random`].
    pub fn generate() -> Result<Self, Fault> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(Fault::Random)?;
        Ok(Self(bytes))
    }

    /// Reads what a client presents.
    ///
    /// # Errors
    /// [`Rejection::TokenRefused`]: what has not the form of a token is not one.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| Rejection::TokenRefused)?;
        Ok(Self(bytes.try_into().map_err(|_| Rejection::TokenRefused)?))
    }

    /// The text for its bearer: 43 characters that need no escaping in a URL.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What the table knows it by: lower-case hex.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.0))
    }
}

/// What a connection may do beyond what everybody may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<User>,
    /// Which channels it may join without a signature.
    #[serde(default)]
    pub channels: Vec<ChannelPattern>,
}

impl Grant {
    /// Whether the channel is granted.
    #[must_use]
    pub fn covers(&self, channel: &Channel) -> bool {
        self.channels.iter().any(|pattern| pattern.matches(channel))
    }

    /// Whether the channel may be read: it is anybody's, it is granted, or it is the user's own.
    #[must_use]
    pub fn opens(&self, channel: &Channel) -> bool {
        let is_own = |user: &User| channel.user_id() == Some(user.id());
        !channel.needs_auth() || self.covers(channel) || self.user.as_ref().is_some_and(is_own)
    }
}

/// A request for a token.
#[derive(Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// What it shall grant.
    pub grant: Grant,
    /// How long it can be used for the first time, in seconds.
    pub ttl_secs: u64,
    /// How long after that a used one admits again, in seconds; 0: never.
    pub reconnect_secs: u64,
}

impl TokenRequest {
    /// Reads the body of `POST /apps/{app_id}/tokens`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(body: &[u8]) -> Result<Self, Rejection> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Body {
            user_id: Option<String>,
            user_info: Option<Value>,
            channels: Vec<String>,
            ttl_seconds: Option<u64>,
            reconnect_seconds: Option<u64>,
        }
        let Body {
            user_id,
            user_info,
            channels,
            ttl_seconds,
            reconnect_seconds,
        } = read_object(body, HTTP_BODY_MAX_BYTES)?;
        let ttl_secs = ttl_seconds.unwrap_or(TOKEN_TTL_DEFAULT_SECS);
        if !(1..=TOKEN_TTL_MAX_SECS).contains(&ttl_secs) {
            return Err(Rejection::TokenTtl);
        }
        let reconnect_secs = reconnect_seconds.unwrap_or(0);
        if reconnect_secs > TOKEN_RECONNECT_MAX_SECS {
            return Err(Rejection::TokenReconnect);
        }
        if channels.len() > TOKEN_CHANNELS_MAX {
            return Err(Rejection::TokenChannels);
        }
        let named = |name: &String| {
            ChannelPattern::parse(name).map_err(|problem| Rejection::ChannelNamed {
                channel: name.chars().take(64).collect(),
                problem: Box::new(problem),
            })
        };
        let channels = channels.iter().map(named).collect::<Result<_, _>>()?;
        Ok(Self {
            grant: Grant {
                user: parse_user(user_id, user_info)?,
                channels,
            },
            ttl_secs,
            reconnect_secs,
        })
    }
}

fn parse_user(id: Option<String>, info: Option<Value>) -> Result<Option<User>, Rejection> {
    match (id, info) {
        (None, Some(_)) => Err(Rejection::UserInfoAlone),
        (Some(id), info) => User::new(id, info).map(Some),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(body: &str) -> Rejection {
        TokenRequest::parse(body.as_bytes()).expect_err(body)
    }

    #[test]
    fn a_token_is_read_back_and_stored_as_a_digest() {
        let token = Token::generate().expect("random bytes");
        let text = token.reveal();
        assert_eq!(text.len(), 43);
        assert_eq!(
            Token::parse(&text).expect("its own text").digest(),
            token.digest()
        );
        assert_ne!(
            Token::generate().expect("random bytes").digest(),
            token.digest()
        );
        for text in [
            "",
            "a",
            &"!".repeat(43),
            &text[1..],
            &format!("{text}A"),
            &format!("{text}="),
        ] {
            assert!(Token::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_request_has_defaults_and_limits() {
        let request = TokenRequest::parse(br#"{"channels":["private-orders","private-user-7-*"]}"#)
            .expect("a request");
        assert_eq!((request.ttl_secs, request.reconnect_secs), (60, 0));
        assert!(
            request
                .grant
                .covers(&Channel::parse("private-user-7-mail").expect("a name"))
        );
        assert!(
            !request
                .grant
                .covers(&Channel::parse("private-user-8").expect("a name"))
        );
        let full = serde_json::json!({
            "user_id": "é".repeat(128), "user_info": "i".repeat(1_022), "channels": vec!["a"; 100],
            "ttl_seconds": 3_600, "reconnect_seconds": 86_400,
        });
        assert!(TokenRequest::parse(full.to_string().as_bytes()).is_ok());
        assert!(TokenRequest::parse(br#"{"channels":[]}"#).is_ok());
    }

    #[test]
    fn a_bad_request_names_the_rule() {
        for body in [
            "null",
            "[]",
            "{}",
            r#"{"channels":"a"}"#,
            r#"{"channels":[],"ttl":5}"#,
            r#"{"channels":[],"ttl_seconds":-1}"#,
            r#"{"channels":[],"user_id":7}"#,
        ] {
            assert!(matches!(rejected(body), Rejection::Body(_)), "{body}");
        }
        for (body, rejection) in [
            (r#"{"channels":[],"ttl_seconds":0}"#, Rejection::TokenTtl),
            (r#"{"channels":[],"ttl_seconds":3601}"#, Rejection::TokenTtl),
            (
                r#"{"channels":[],"reconnect_seconds":86401}"#,
                Rejection::TokenReconnect,
            ),
            (r#"{"channels":[],"user_id":""}"#, Rejection::UserId),
            (
                r#"{"channels":[],"user_info":{}}"#,
                Rejection::UserInfoAlone,
            ),
        ] {
            assert_eq!(rejected(body), rejection, "{body}");
        }
        assert_eq!(
            rejected(&serde_json::json!({"channels": vec!["a"; 101]}).to_string()),
            Rejection::TokenChannels
        );
        assert_eq!(
            rejected(&serde_json::json!({"channels": [], "user_id": "u".repeat(129)}).to_string()),
            Rejection::UserId
        );
        let info =
            serde_json::json!({"channels": [], "user_id": "u", "user_info": "i".repeat(1_023)});
        assert_eq!(rejected(&info.to_string()), Rejection::UserInfo);
        assert!(
            rejected(r#"{"channels":["a b"]}"#)
                .to_string()
                .contains("a b")
        );
    }
}
