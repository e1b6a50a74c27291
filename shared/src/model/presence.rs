//! Presence: who is on a channel, as it is told to those who are.
//!
//! A user is there from the first of its connections to the last. Which connections those are the
//! members' rows say (`aws/table/member.rs`); who is told of what, and when, the use case does
//! (`attend.rs`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::model::error::Rejection;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::user::User;
use crate::model::voice::{Client, Voice};

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

/// A connection through which a user is on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attending {
    /// Which.
    pub id: ConnectionId,
    /// From when on it counts no more.
    pub expires_at: UnixMillis,
    /// What its client speaks.
    pub voice: Voice,
    /// The round of announcements that acknowledged it, where the changes were told later: its roster has
    /// whoever was shown up to then.
    pub acknowledged_in: Option<u64>,
}

impl Attending {
    /// Its client.
    #[must_use]
    pub const fn client(&self) -> Client<'_> {
        Client {
            id: &self.id,
            voice: self.voice,
        }
    }
}

/// A subscribe that is still to be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The connection that sent it.
    pub id: ConnectionId,
    /// Its name: a connection may send several.
    pub op: String,
    /// Whether it is shown what it has missed, instead of the last event.
    pub resumes: bool,
}

/// A user and what is known of it on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who it is.
    pub user: User,
    /// Whether the others were last told that it is there, as far as it was noted.
    pub announced: bool,
    /// Whether nothing has changed since that was noted.
    pub noted: bool,
    /// The round since which rosters have it, though not all of the others were told yet.
    pub shown_in: Option<u64>,
    /// Its connections.
    pub connections: Vec<Attending>,
    /// What is still to be acknowledged to them.
    pub asked: Vec<Asked>,
}

impl Member {
    /// Whether it is there: through at least one connection that has not expired.
    #[must_use]
    pub fn is_there(&self, now: UnixMillis) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.expires_at > now)
    }

    /// Its live connections that have been acknowledged: those who are told of changes. The others
    /// learn of them from the roster in their acknowledgement.
    pub fn told(&self, now: UnixMillis) -> impl Iterator<Item = &Attending> {
        let told = move |connection: &&Attending| {
            connection.expires_at > now && self.asked.iter().all(|asked| asked.id != connection.id)
        };
        self.connections.iter().filter(told)
    }

    /// The subscribes that are to be acknowledged. One whose connection is not there was refused, or has left
    /// since: nobody waits for it.
    pub fn waiting(&self) -> impl Iterator<Item = &Asked> {
        let is_there = |asked: &&Asked| {
            let mut connections = self.connections.iter();
            connections.any(|connection| connection.id == asked.id)
        };
        self.asked.iter().filter(is_there)
    }

    /// The client that asked for an acknowledgement.
    #[must_use]
    pub fn asking<'a>(&'a self, asked: &'a Asked) -> Client<'a> {
        let mut connections = self.connections.iter();
        let its_own = connections.find(|connection| connection.id == asked.id);
        Client {
            id: &asked.id,
            voice: its_own
                .map(|connection| connection.voice)
                .unwrap_or_default(),
        }
    }
}

/// What has to be told on a channel, and to whom nothing can be told but that it is full.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// Who is there once it is told.
    pub roster: Roster,
    /// The members, by their places, who have come.
    pub come: Vec<usize>,
    /// Those who have gone.
    pub gone: Vec<usize>,
    /// Those who cannot come, and why.
    pub refused: Vec<(usize, Rejection)>,
}

impl Plan {
    /// Compares who is there with what was told. Those who were told of stay, whatever the limit;
    /// the others come in the order of their ids while there is room.
    ///
    /// `fits`: whether an acknowledgement that carries a roster can be posted at all.
    ///
    /// `after_crash`: an announcer may have told what it did not live to note. Of whoever has changed
    /// since something was noted it is told (again) how it is now.
    #[must_use]
    pub fn of(
        members: &[&Member],
        fits: impl Fn(&Roster) -> bool,
        max_members: u64,
        after_crash: bool,
        now: UnixMillis,
    ) -> Self {
        let places = |wanted: &dyn Fn(&Member) -> bool| -> Vec<usize> {
            (0..members.len())
                .filter(|&place| wanted(members[place]))
                .collect()
        };
        let staying = places(&|member| member.announced && member.is_there(now));
        let unsure = |member: &Member| after_crash && !member.noted;
        let told =
            |member: &Member| member.announced || member.shown_in.is_some() || unsure(member);
        let gone = places(&|member| told(member) && !member.is_there(now));
        let mut come = places(&|member| !member.announced && member.is_there(now));
        let mut refused = Vec::new();
        let room = usize::try_from(max_members)
            .unwrap_or(usize::MAX)
            .saturating_sub(staying.len());
        for place in come.split_off(room.min(come.len())) {
            refused.push((place, Rejection::PresenceFull { max_members }));
        }
        let roster = |come: &[usize]| -> Roster {
            let mut all = [&staying, come].concat();
            all.sort_unstable();
            all.iter().map(|&place| &members[place].user).collect()
        };
        let mut all = roster(&come);
        while !fits(&all) {
            let Some(place) = come.pop() else { break };
            refused.push((place, Rejection::PresenceTooLarge));
            all = roster(&come);
        }
        // They are there in any case; only the others may have another last word of them.
        come.extend(staying.iter().filter(|&&place| unsure(members[place])));
        Self {
            roster: all,
            come,
            gone,
            refused,
        }
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

    const NOW: UnixMillis = UnixMillis(1_000);

    fn member(id: &str, announced: bool, expiries: &[u64]) -> Member {
        let connection = |(n, &expires_at): (usize, &u64)| Attending {
            id: ConnectionId::new(format!("{id}{n}")),
            expires_at: UnixMillis(expires_at),
            voice: Voice::default(),
            acknowledged_in: None,
        };
        Member {
            user: user(id, None),
            announced,
            noted: true,
            shown_in: None,
            connections: expiries.iter().enumerate().map(connection).collect(),
            asked: Vec::new(),
        }
    }

    /// Up to a hundred times what one user of these tests is.
    fn fits(roster: &Roster) -> bool {
        serde_json::to_string(roster).expect("prints").len() <= 110_000
    }

    fn plan(members: &[Member], max_members: u64) -> Plan {
        let members: Vec<&Member> = members.iter().collect();
        Plan::of(&members, fits, max_members, false, NOW)
    }

    #[test]
    fn the_first_connection_comes_and_the_last_one_goes() {
        let members = [
            member("come", false, &[2_000]),
            member("gone", true, &[]),
            member("expired", true, &[1_000]),
            member("here", true, &[500, 2_000]),
            member("never", false, &[]),
        ];
        let plan = plan(&members, 100);
        assert_eq!(plan.roster.ids, ["come", "here"]);
        assert_eq!((plan.come, plan.gone), (vec![0], vec![1, 2]));
        assert!(plan.refused.is_empty());
    }

    #[test]
    fn who_finds_no_room_is_refused_and_who_is_there_stays() {
        let members = [
            member("a", false, &[2_000]),
            member("b", true, &[2_000]),
            member("c", false, &[2_000]),
            member("d", true, &[]),
        ];
        let full = |max_members| Rejection::PresenceFull { max_members };
        let two = plan(&members, 2);
        assert_eq!(
            (two.roster.ids, two.come),
            (vec!["a".to_owned(), "b".to_owned()], vec![0])
        );
        assert_eq!(two.refused, [(2, full(2))]);
        let one = plan(&members, 1);
        assert_eq!((one.roster.ids, one.come), (vec!["b".to_owned()], vec![]));
        assert_eq!(one.refused, [(0, full(1)), (2, full(1))]);
    }

    #[test]
    fn a_roster_that_would_not_fit_refuses_the_last() {
        let members: Vec<Member> = (0..130)
            .map(|n| Member {
                user: user(&format!("{n:03}"), Some(json!("i".repeat(1_000)))),
                ..member("x", n < 100, &[2_000])
            })
            .collect();
        let plan = plan(&members, 1_000);
        assert!(!plan.refused.is_empty() && plan.roster.len() + plan.refused.len() == 130);
        assert!(
            plan.refused
                .iter()
                .all(|(place, why)| *place >= 100 && *why == Rejection::PresenceTooLarge)
        );
    }

    #[test]
    fn who_was_shown_in_rosters_and_leaves_is_told_to_have_gone() {
        let shown = Member {
            shown_in: Some(3),
            ..member("a", false, &[])
        };
        let plan = plan(&[shown], 100);
        assert_eq!((plan.come, plan.gone), (vec![], vec![0]));
    }

    #[test]
    fn only_the_acknowledged_are_told() {
        let mut member = member("a", true, &[2_000, 2_000, 1_000]);
        member.asked.push(Asked {
            id: ConnectionId::new("a1".to_owned()),
            resumes: false,
            op: "1".to_owned(),
        });
        let told: Vec<&str> = member.told(NOW).map(|told| told.id.as_str()).collect();
        assert_eq!(told, ["a0"]);
    }

    #[test]
    fn after_a_crash_whoever_has_changed_is_told_of_again() {
        let changed = |id: &str, announced, expiries: &[u64]| Member {
            noted: false,
            ..member(id, announced, expiries)
        };
        let members = [
            // It may have been told that they came: one is there, one has left since.
            changed("a", false, &[2_000]),
            changed("b", false, &[]),
            // It may have been told that they went: one is back, one is not.
            changed("c", true, &[2_000]),
            changed("d", true, &[]),
            member("e", true, &[2_000]),
        ];
        let members: Vec<&Member> = members.iter().collect();
        let plan = |after_crash| Plan::of(&members, fits, 100, after_crash, NOW);
        assert_eq!((plan(true).come, plan(true).gone), (vec![0, 2], vec![1, 3]));
        assert_eq!((plan(false).come, plan(false).gone), (vec![0], vec![3]));
        assert_eq!(plan(true).roster, plan(false).roster);
    }
}
