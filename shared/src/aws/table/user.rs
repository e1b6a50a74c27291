//! A user's row: the connections on which it is signed in, and what those who watch it were told.
//!
//! | attribute | holds |
//! | --- | --- |
//! | `c/{connection_id}` | when that connection stops counting as alive, in unix seconds |
//! | `v/{connection_id}` | what its client speaks; absent for the first voice |
//! | `announced` | whether the watchers were last told that the user is online; absent until they were told anything |
//! | `changes` | counts the changes of the row |
//!
//! Setting and removing a connection is idempotent, and whether the user is online follows from what
//! is set and not expired, whatever was repeated or lost. Whoever changes the row takes the lease on what
//! is to be told of it (see `lease.rs`) with the same write, unless another holder has it.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::batch::READ_ROWS_MAX;
use super::client::Table;
use super::item::{Item, conditional, fault, item, number, read, string};
use super::keys::UserKey;
use super::lease::{CLAIMS, GIVE_BACK, LeaseRow};
use super::lease::{Lease, LeaseOn, Released};
use super::{lease, partition};
use crate::aws::now;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::limits::{CONNECTION_LIFE_SECS, ROW_SLACK_SECS, WATCHLIST_MAX};
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::user::UserState;
use crate::model::voice::{Client, Voice};

/// Seconds that a row is kept after the last sign-in: longer than any connection in it can live, and
/// until the reaper has told of its end.
const ROW_SECS: u64 = CONNECTION_LIFE_SECS + ROW_SLACK_SECS;

/// Before a connection's id: when it expires.
const CONNECTION: &str = "c/";
/// Before a connection's id: what its client speaks.
const VOICE: &str = "v/";

const _: () = assert!(WATCHLIST_MAX <= READ_ROWS_MAX);

/// What happens to a user's row.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// A connection has signed in.
    Come {
        /// Which.
        client: Client<'a>,
        /// When it asked to.
        at: UnixMillis,
        /// When it expires.
        expires_at: UnixMillis,
    },
    /// A connection is over.
    Go {
        /// Which.
        id: &'a ConnectionId,
    },
    /// Nothing that is known: somebody may have told of it and died, or a connection expired.
    Unknown,
}

/// The right to tell those who watch a user, and what its holder has seen.
#[derive(Debug)]
pub struct UserLease {
    /// The right.
    pub lease: Lease,
    /// What it saw.
    pub state: UserState,
}

fn state(row: &Item) -> UserState {
    let connection = |(name, value): (&String, &AttributeValue)| {
        let id = ConnectionId::new(name.strip_prefix(CONNECTION)?.to_owned());
        let secs = value.as_n().ok()?.parse().ok()?;
        Some((id, UnixMillis::default().plus_secs(secs)))
    };
    let voice = |(name, value): (&String, &AttributeValue)| {
        let id = ConnectionId::new(name.strip_prefix(VOICE)?.to_owned());
        Some((id, Voice::of(value.as_n().ok()?.parse().ok())))
    };
    UserState {
        connections: row.iter().filter_map(connection).collect(),
        voices: row.iter().filter_map(voice).collect(),
        announced: row
            .get("announced")
            .and_then(|announced| announced.as_bool().ok().copied()),
    }
}

impl Change<'_> {
    fn apply(self, state: &mut UserState) {
        match self {
            Self::Come {
                client, expires_at, ..
            } => {
                state.connections.insert(client.id.clone(), expires_at);
            }
            Self::Go { id } => {
                state.connections.remove(id);
            }
            Self::Unknown => {}
        }
    }

    /// The update that makes the change, and takes the lease for its owner if there is one.
    fn put_into(
        self,
        update: UpdateItemFluentBuilder,
        of: &UserKey,
        owner: Option<&str>,
    ) -> UpdateItemFluentBuilder {
        let mut update = update
            .expression_attribute_values(":one", number(1))
            // What was there before says how the lease was left.
            .return_values(ReturnValue::AllOld);
        let (mut set, mut remove, mut conditions) = (Vec::new(), "", Vec::new());
        match self {
            Self::Come {
                client,
                at,
                expires_at,
            } => {
                set.push("#c = :c, #ttl = :ttl");
                if let Some(voice) = client.voice.number() {
                    set.push("#v = :v");
                    update = update
                        .expression_attribute_names("#v", format!("{VOICE}{}", client.id))
                        .expression_attribute_values(":v", number(voice));
                }
                update = update
                    .expression_attribute_names("#c", format!("{CONNECTION}{}", client.id))
                    .expression_attribute_names("#ttl", TTL)
                    .expression_attribute_values(":c", number(expires_at.secs()))
                    .expression_attribute_values(":ttl", number(at.plus_secs(ROW_SECS).secs()));
            }
            Self::Go { id } => {
                remove = "REMOVE #c, #v ";
                update = update
                    .expression_attribute_names("#c", format!("{CONNECTION}{id}"))
                    .expression_attribute_names("#v", format!("{VOICE}{id}"));
            }
            Self::Unknown => {}
        }
        if !matches!(self, Self::Come { .. }) {
            // Where there is no row, there is nothing to remove and nothing to tell.
            conditions.push("attribute_exists(pk)".to_owned());
        }
        if let Some(owner) = owner {
            set.push(lease::TAKE);
            conditions.push(format!("({})", lease::FREE));
            update = lease::taking(update, &partition::user(of), owner, now());
        }
        let set = match set.as_slice() {
            [] => String::new(),
            some => format!("SET {} ", some.join(", ")),
        };
        update
            .update_expression(format!("{set}{remove}ADD changes :one"))
            .set_condition_expression((!conditions.is_empty()).then(|| conditions.join(" AND ")))
    }
}

impl Table {
    pub(super) fn update_user(&self, of: &UserKey) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(of)))
    }

    /// Changes a user's row where nobody is told. Answers what it said before; `None`: there is no
    /// row. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be changed.
    pub async fn change_user(
        &self,
        of: &UserKey,
        change: Change<'_>,
    ) -> Result<Option<UserState>, Fault> {
        let update = change.put_into(self.update_user(of), of, None);
        let changed = conditional("change user", update.send().await)?;
        Ok(changed.map(|changed| state(&changed.attributes.unwrap_or_default())))
    }

    /// Changes a user's row and takes the lease on what has to be told of it. `None`: another
    /// holder has it and will see the change, or there is no row. One write, two while others
    /// have the lease; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be changed, and held; then the lease ends by itself.
    /// [`Fault::Row`].
    pub async fn change_and_claim_user(
        &self,
        of: &UserKey,
        change: Change<'_>,
        owner: &str,
    ) -> Result<Option<UserLease>, Fault> {
        const OPERATION: &str = "change user and take the lease";
        for _ in 0..CLAIMS {
            let update = change.put_into(self.update_user(of), of, Some(owner));
            if let Some(taken) = conditional(OPERATION, update.send().await)? {
                let before = taken.attributes.unwrap_or_default();
                let mut state = state(&before);
                change.apply(&mut state);
                let lease = read::<LeaseRow>(OPERATION, before)?.taken_by(owner);
                return Ok(Some(UserLease { lease, state }));
            }
            let update = change.put_into(self.update_user(of), of, None);
            let Some(changed) = conditional(OPERATION, update.send().await)? else {
                return Ok(None);
            };
            if !lease::is_free(OPERATION, changed.attributes.unwrap_or_default())? {
                return Ok(None);
            }
            // It was given back between the two.
        }
        Ok(None)
    }

    /// Notes what the watchers were told and gives the lease back, if nothing has changed since
    /// its holder looked. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be given back; then it ends by itself. [`Fault::Row`].
    pub async fn release_user(
        &self,
        of: &UserKey,
        lease: Lease,
        told: bool,
    ) -> Result<Released<UserLease>, Fault> {
        let announced = AttributeValue::Bool(told);
        let kept = self
            .give_back(LeaseOn::User(of), &lease, "announced", announced)
            .await?;
        let Some(kept) = kept else {
            return Ok(Released::Yes);
        };
        let mut state = state(&kept);
        // The row does not say so yet.
        state.announced = Some(told);
        let held = lease::held(GIVE_BACK, kept, lease.owner())?;
        Ok(held.map_or(Released::Lost, |lease| {
            Released::Changed(UserLease { lease, state })
        }))
    }

    /// Reads where a user is signed in; `None`: there is no row. One consistent read.
    ///
    /// # Errors
    /// [`Fault::Table`].
    pub async fn user_state(&self, of: &UserKey) -> Result<Option<UserState>, Fault> {
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key(of)))
            .consistent_read(true);
        let found = get
            .send()
            .await
            .map_err(|error| fault("read user", error))?;
        Ok(found.item.as_ref().map(state))
    }

    /// Whether each of up to 100 users is online, in their order: one consistent read of them
    /// all.
    ///
    /// # Errors
    /// [`Fault::Table`].
    pub async fn are_online(
        &self,
        app_id: &str,
        user_ids: &[String],
        now: UnixMillis,
    ) -> Result<Vec<bool>, Fault> {
        let keys: Vec<UserKey> = user_ids
            .iter()
            .map(|user_id| UserKey::new(app_id, user_id))
            .collect();
        let wanted = keys.iter().map(key).collect();
        let rows = self.read_all("read users", wanted).await?;
        let online: Vec<String> = rows
            .into_iter()
            .filter(|row| state(row).is_online(now))
            .filter_map(|row| row.get(PARTITION_KEY)?.as_s().ok().cloned())
            .collect();
        let is_online = |of: &UserKey| online.contains(&partition::user(of));
        Ok(keys.iter().map(is_online).collect())
    }
}

fn key(of: &UserKey) -> Item {
    item([
        (PARTITION_KEY, string(partition::user(of))),
        (SORT_KEY, string(partition::USER)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_where_a_user_is_and_a_change_what_it_will_say() {
        let id = |text: &str| ConnectionId::new(text.to_owned());
        let row = item([
            ("c/a=", number(7)),
            ("c/b=", number(9)),
            ("announced", AttributeValue::Bool(true)),
            ("changes", number(3)),
        ]);
        let mut seen = state(&row);
        assert_eq!(seen.announced, Some(true));
        let (came, gone) = (id("c="), id("a="));
        let at = UnixMillis(1);
        let expires_at = UnixMillis(11_000);
        // Whatever is repeated, they end the same.
        for _ in 0..2 {
            for change in [
                Change::Come {
                    client: Client {
                        id: &came,
                        voice: Voice::default(),
                    },
                    at,
                    expires_at,
                },
                Change::Go { id: &gone },
                Change::Unknown,
            ] {
                change.apply(&mut seen);
            }
        }
        let expected = [(id("b="), UnixMillis(9_000)), (came, expires_at)];
        assert_eq!(seen.connections, expected.into());
    }
}
