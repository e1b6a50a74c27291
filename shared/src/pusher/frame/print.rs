//! What a client is told, as the frame that it is.

use bytes::Bytes;

use super::server::{
    cache_miss, client_event, error, established, failure, member_added, member_removed, pong,
    publication, resume_failed, signed_in, subscription_count, subscription_error,
    subscription_failure, subscription_succeeded, watchlist,
};
use crate::model::said::Said;
use crate::model::socket_id::SocketId;

/// Prints what a client is told.
#[must_use]
pub fn print(said: &Said<'_>) -> Bytes {
    match *said {
        Said::Greeted { id } => established(&SocketId::of(id)),
        Said::Refused(rejection) => error(rejection),
        Said::Failed => failure(),
        Said::Pong => pong(),
        Said::SignedIn { user_data } => signed_in(user_data),
        Said::Acknowledged { channel, roster } => subscription_succeeded(channel, roster),
        Said::NotSubscribed { channel, rejection } => subscription_error(channel, rejection),
        Said::SubscriptionFailed { channel } => subscription_failure(channel),
        Said::Published {
            channel,
            name,
            data,
            serial,
        } => publication(channel, name, data, serial),
        Said::NothingKept { channel } => cache_miss(channel),
        Said::NotResumed {
            channel,
            after,
            oldest,
        } => resume_failed(channel, after, oldest),
        Said::ClientEvent {
            channel,
            name,
            data,
            user_id,
        } => client_event(channel, name, data, user_id),
        Said::Joined { channel, user } => member_added(channel, user),
        Said::Left { channel, user_id } => member_removed(channel, user_id),
        Said::Counted {
            channel,
            subscribers,
        } => subscription_count(channel, subscribers),
        Said::Watched { online, offline } => watchlist(online, offline),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::channel::Channel;
    use crate::model::limits::POST_MAX_BYTES;
    use crate::model::presence::Roster;
    use crate::model::user::User;

    #[test]
    fn a_hundred_users_fit_into_an_acknowledgement() {
        let channel = Channel::parse("presence-a").expect("a name");
        let fits = |count: usize| {
            let users: Vec<User> = (0..count)
                .map(|n| User::new(n.to_string(), Some(json!("i".repeat(1_000)))).expect("a user"))
                .collect();
            let roster: Roster = users.iter().collect();
            let acknowledged = Said::Acknowledged {
                channel: &channel,
                roster: Some(&roster),
            };
            print(&acknowledged).len() <= POST_MAX_BYTES
        };
        assert!(fits(100));
        assert!(!fits(130));
    }
}
