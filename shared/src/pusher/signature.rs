//! Signatures: who may call the HTTP API (see `api/signed.rs`), and who may join a channel.
//!
//! Every comparison of a secret's derivative is in constant time. A refused request learns which
//! parameter was wrong, never what the right signature would have been.

use subtle::ConstantTimeEq as _;

use crate::model::app::App;
use crate::model::channel::Channel;
use crate::model::secret::Secrets;
use crate::model::socket_id::SocketId;

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
    app.has_key(key) & is_signed(app.secrets(), signed.as_bytes(), signature)
}

/// Whether `signature` is what `Secret::sign` makes of `message` with a secret that is good.
pub(crate) fn is_signed(secrets: &Secrets, message: &[u8], signature: &str) -> bool {
    secrets.any(|secret| {
        let expected = secret.sign(message);
        expected.as_bytes().ct_eq(signature.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::app::Apps;

    /// The app of Pusher's published examples.
    fn apps() -> Apps {
        let json = r#"[{"id":"3","key":"278d425bdf160c739803","secret":"7ad3773142a6692b25b8"},{"id":"4","key":"other","secret":"7ad3773142a6692b25b8"}]"#;
        Apps::parse(json).expect("two apps")
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
