//! Presence: who is on a channel, as it is told to those who are.
//!
//! A user is there from the first of its connections to the last. Which connections those are the
//! members' rows say (`aws/table/member.rs`); who is told of what, and when, the use case does
//! (`attend.rs`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::channel::Channel;
use crate::frame;
use crate::limits::POST_MAX_BYTES;
use crate::user::User;

/// The members of a channel, in the form that an acknowledgement carries: each user once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Roster {
    ids: Vec<String>,
    hash: BTreeMap<String, Value>,
    count: usize,
}

impl Roster {
    /// Adds a user; one that is there already stays as it is.
    pub fn add(&mut self, user: &User) {
        if !self.hash.contains_key(user.id()) {
            self.ids.push(user.id().to_owned());
            self.hash.insert(user.id().to_owned(), user.shown());
            self.count += 1;
        }
    }

    /// How many users there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether an acknowledgement that carries it can be posted at all.
    #[must_use]
    pub fn fits(&self, channel: &Channel) -> bool {
        frame::subscription_succeeded(channel, Some(self)).len() <= POST_MAX_BYTES
    }
}

impl<'a> FromIterator<&'a User> for Roster {
    fn from_iter<T: IntoIterator<Item = &'a User>>(users: T) -> Self {
        let mut roster = Self::default();
        for user in users {
            roster.add(user);
        }
        roster
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(id: &str, info: Option<Value>) -> User {
        User::new(id.to_owned(), info).expect("a user")
    }

    #[test]
    fn each_user_is_there_once_with_what_is_shown_of_it() {
        let users = [
            user("b", Some(json!({"name": "B"}))),
            user("a", None),
            user("b", Some(json!("other"))),
        ];
        let roster: Roster = users.iter().collect();
        assert_eq!(
            serde_json::to_value(&roster).expect("prints"),
            json!({"ids": ["b", "a"], "hash": {"a": {}, "b": {"name": "B"}}, "count": 2})
        );
    }

    #[test]
    fn a_roster_fits_or_does_not() {
        let channel = Channel::parse("presence-a").expect("a name");
        let users = |count: usize| -> Vec<User> {
            (0..count)
                .map(|n| user(&n.to_string(), Some(json!("i".repeat(1_000)))))
                .collect()
        };
        assert!(users(100).iter().collect::<Roster>().fits(&channel));
        assert!(!users(130).iter().collect::<Roster>().fits(&channel));
    }
}
