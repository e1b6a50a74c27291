//! Who may subscribe to what.

use crate::aws::table::ConnectionRows;
use crate::model::app::App;
use crate::model::channel::Kind;
use crate::model::error::Rejection;
use crate::model::request::Subscribe;
use crate::model::user::User;

/// Whether this connection may join: the kind, the grant or the signature, and how many it is on.
/// On a presence channel it does so as a user: the one that was signed along, the one it has signed
/// in as, or its token's.
pub(super) fn may_join(
    app: &App,
    connection: &ConnectionRows,
    is_signed: impl Fn(&str) -> bool,
    request: &Subscribe,
) -> Result<Option<User>, Rejection> {
    let Subscribe {
        channel,
        auth,
        channel_data,
        after: _,
    } = request;
    let max_channels = app.settings().max_channels_per_connection;
    if connection.subscriptions.len() >= max_channels && connection.joined(channel).is_none() {
        return Err(Rejection::TooManySubscriptions { max_channels });
    }
    let signed = || {
        let auth = auth.as_deref().ok_or(Rejection::AuthMissing)?;
        if is_signed(auth) {
            Ok(())
        } else {
            Err(Rejection::AuthInvalid)
        }
    };
    let granted = connection.grant.covers(channel);
    match channel.kind() {
        Kind::Public => Ok(None),
        Kind::Private | Kind::Encrypted if granted => Ok(None),
        Kind::Private | Kind::Encrypted => signed().map(|()| None),
        Kind::Presence if granted && signed().is_err() => {
            let user = connection.user().ok_or(Rejection::PresenceUser)?;
            Ok(Some(user.clone()))
        }
        Kind::Presence => {
            signed()?;
            match channel_data {
                Some(channel_data) => User::of_channel_data(channel_data).map(Some),
                None => {
                    let user = connection.user().ok_or(Rejection::PresenceUser)?;
                    Ok(Some(user.clone()))
                }
            }
        }
        Kind::User if connection.signed_in_as() == channel.user_id() => Ok(None),
        Kind::User => Err(Rejection::UserChannel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::table::OwnSubscription;
    use crate::model::app::Apps;
    use crate::model::channel::Channel;
    use crate::model::channel::ChannelPattern;
    use crate::model::time::UnixMillis;
    use crate::model::token::Grant;
    use crate::model::voice::Voice;

    fn joins(
        name: &str,
        auth: Option<&str>,
        granted: &str,
        already: usize,
    ) -> Result<(), Rejection> {
        joins_as(name, auth, None, granted, already).map(drop)
    }

    fn joins_as(
        name: &str,
        auth: Option<&str>,
        user: Option<User>,
        granted: &str,
        already: usize,
    ) -> Result<Option<User>, Rejection> {
        let apps = Apps::parse(
            r#"[{"id":"1","key":"278d425bdf160c739803","secret":"7ad3773142a6692b25b8"}]"#,
        )
        .expect("an app");
        let app = apps.by_id("1").expect("the app");
        let connection = ConnectionRows {
            app_id: "1".to_owned(),
            connected_at: UnixMillis(0),
            expires_at: UnixMillis(0),
            left_authorized: false,
            voice: Voice::default(),
            grant: Grant {
                user,
                channels: vec![ChannelPattern::parse(granted).expect(granted)],
            },
            signed_in: None,
            subscriptions: (0..already)
                .map(|n| OwnSubscription {
                    app_id: "1".to_owned(),
                    channel: Channel::parse(&format!("c{n}")).expect("a name"),
                    shard: 0,
                    user_id: None,
                })
                .collect(),
        };
        let channel = Channel::parse(name).expect(name);
        let request = Subscribe {
            channel,
            auth: auth.map(str::to_owned),
            channel_data: None,
            after: None,
        };
        may_join(app, &connection, |auth| auth.ends_with(":good"), &request)
    }

    #[test]
    fn only_a_public_channel_is_open_to_all() {
        assert_eq!(joins("orders", None, "none", 0), Ok(()));
        assert_eq!(
            joins("private-orders", None, "none", 0),
            Err(Rejection::AuthMissing)
        );
        assert_eq!(
            joins("private-orders", Some("278d425bdf160c739803:00"), "none", 0),
            Err(Rejection::AuthInvalid)
        );
        assert_eq!(
            joins("private-encrypted-orders", None, "none", 0),
            Err(Rejection::AuthMissing)
        );
        assert_eq!(
            joins("presence-lobby", None, "none", 0),
            Err(Rejection::AuthMissing)
        );
        assert_eq!(
            joins("#server-to-user-7", None, "*", 0),
            Err(Rejection::UserChannel)
        );
    }

    #[test]
    fn a_grant_of_a_presence_channel_takes_the_tokens_user() {
        let user = User::new("7".to_owned(), None).expect("a user");
        let joins = |granted: &str, user: Option<&User>| {
            joins_as("presence-lobby", None, user.cloned(), granted, 0)
        };
        assert_eq!(joins("*", None), Err(Rejection::PresenceUser));
        assert_eq!(joins("*", Some(&user)), Ok(Some(user.clone())));
        assert_eq!(joins("none", Some(&user)), Err(Rejection::AuthMissing));
    }

    #[test]
    fn a_grant_replaces_the_signature_on_what_it_names() {
        assert_eq!(
            joins("private-user-7-mail", None, "private-user-7-*", 0),
            Ok(())
        );
        assert_eq!(
            joins("private-user-8-mail", None, "private-user-7-*", 0),
            Err(Rejection::AuthMissing)
        );
    }

    #[test]
    fn a_connection_is_on_so_many_channels() {
        assert_eq!(joins("new", None, "none", 200 - 1), Ok(()));
        assert_eq!(
            joins("new", None, "none", 200),
            Err(Rejection::TooManySubscriptions { max_channels: 200 })
        );
        assert_eq!(joins("c7", None, "none", 200), Ok(()));
    }
}
