//! A user's row on a presence channel, as it is read.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Item, VOICE};
use crate::model::error::Fault;
use crate::model::presence::{Asked, Attending, Member};
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::user::User;
use crate::model::voice::Voice;

/// Before a connection's id: it is there.
pub(super) const CONNECTION: &str = "c/";
/// Before a connection's id: the round that acknowledged it.
pub(super) const ACKNOWLEDGED: &str = "k/";
/// Before a connection's id and a request's name: it waits for an acknowledgement.
pub(super) const ASKED: &str = "j/";

/// A user's row, as it was read.
#[derive(Debug)]
pub struct MemberRow {
    /// What it says.
    pub member: Member,
    /// When it was last gone, if that was kept.
    pub gone_at: Option<UnixMillis>,
    pub(super) version: u64,
}

impl MemberRow {
    pub(super) fn read(operation: &'static str, item: Item) -> Result<Self, Fault> {
        let unreadable = |what: &str| Fault::Row {
            operation,
            source: format!("a member's row: {what}").into(),
        };
        let as_number = |value: &AttributeValue| value.as_n().ok()?.parse::<u64>().ok();
        let mut member = None;
        let mut announced = false;
        let mut version = 0;
        let (mut noted, mut gone_at, mut shown_in) = (None, None, None);
        let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
        let (mut connections, mut asked) = (Vec::<Attending>::new(), Vec::new());
        for (name, value) in item {
            if let Some(id) = name.strip_prefix(CONNECTION) {
                let field = |name| as_number(value.as_m().ok()?.get(name)?);
                let expires_at_secs: Option<u64> = field("e");
                connections.push(Attending {
                    id: ConnectionId::new(id.to_owned()),
                    expires_at: UnixMillis(expires_at_secs.unwrap_or_default() * 1_000),
                    voice: Voice::of(field(VOICE)),
                    acknowledged_in: None,
                });
            } else if let Some(id) = name.strip_prefix(ACKNOWLEDGED) {
                acknowledged.extend(as_number(&value).map(|round| (id.to_owned(), round)));
            } else if let Some((id, op)) = name
                .strip_prefix(ASKED)
                .and_then(|name| name.rsplit_once('/'))
            {
                asked.push(Asked {
                    id: ConnectionId::new(id.to_owned()),
                    op: op.to_owned(),
                    resumes: value.as_bool().is_ok_and(|resumes| *resumes),
                });
            } else if name == "user" {
                let text = value.as_s().map_err(|_| unreadable("user"))?;
                let user: User = serde_json::from_str(text).map_err(|source| Fault::Row {
                    operation,
                    source: source.into(),
                })?;
                member = Some(user);
            } else if name == "announced" {
                announced = value.as_bool().is_ok_and(|announced| *announced);
            } else if name == "v" {
                version = as_number(&value).unwrap_or_default();
            } else if name == "noted" {
                noted = as_number(&value);
            } else if name == "shown" {
                shown_in = as_number(&value);
            } else if name == "gone_at" {
                gone_at = as_number(&value).map(UnixMillis);
            }
        }
        for connection in &mut connections {
            connection.acknowledged_in = acknowledged.get(connection.id.as_str()).copied();
        }
        // Attributes come in no order; what is done with them has one.
        connections.sort_by(|one, other| one.id.cmp(&other.id));
        asked.sort_by(|one, other| (&one.id, &one.op).cmp(&(&other.id, &other.op)));
        Ok(Self {
            member: Member {
                user: member.ok_or_else(|| unreadable("no user"))?,
                announced,
                noted: noted == Some(version),
                shown_in,
                connections,
                asked,
            },
            gone_at,
            version,
        })
    }
}
