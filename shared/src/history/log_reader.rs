//! Reading a channel's log: what was published after a serial, in order, with nothing left out
//! unsaid.
//!
//! A publication takes its serial before it is in the log, so a later one may be there first. Only
//! the contiguous prefix is shown. A serial that is still missing 2 s after its successor was
//! published belongs to a publisher that died, and is closed: if the publisher lives after all, it
//! finds its serial closed and takes another.
//!
//! To close a serial is one conditional write, and each reader that meets the hole does it: there is
//! no half of it.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use serde_json::Value;

use crate::aws::Services;
use crate::aws::table::{ChannelKey, LogRow, Table};
use crate::model::app::App;
use crate::model::error::Fault;
use crate::model::limits::{
    HOLE_GRACE_MILLIS, HOLES_CLOSED_MAX, POLL_DATA_MAX_BYTES, POLL_EVENTS_MAX, TABLE_CONCURRENCY,
};
use crate::model::reading::Position;
use crate::model::time::UnixMillis;

/// Pages of expired rows that one poll passes over: DynamoDB deletes them up to two days late.
const EXPIRED_PAGES_MAX: usize = 8;

/// What some channels' logs gave.
#[derive(Debug)]
pub struct Read {
    /// What was published, by channel in the order asked, by serial within each.
    pub events: Vec<ReadEvent>,
    /// Where to go on.
    pub next: Vec<Position>,
    /// The channels on which something was published that is not kept any more.
    pub truncated: Vec<String>,
    /// Whether there is more, or something is awaited.
    pub unfinished: bool,
    /// When something was last published on any of them, if that is kept.
    pub last_at: Option<UnixMillis>,
}

/// A publication in the shape that polling and streams share.
#[derive(Clone, Debug, Serialize)]
pub struct ReadEvent {
    /// The event's name.
    #[serde(rename = "type")]
    pub name: String,
    /// The channel.
    pub channel: String,
    /// Its serial.
    pub serial: u64,
    /// Its data, as published.
    pub data: String,
    /// The data's own `value`, when it has one: progress bars read it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

impl ReadEvent {
    /// A publication as readers are shown it.
    #[must_use]
    pub fn new(channel: &str, serial: u64, name: String, data: String) -> Self {
        let value = match serde_json::from_str(&data) {
            Ok(Value::Object(mut fields)) => fields.remove("value"),
            Ok(
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_),
            )
            | Err(_) => None,
        };
        Self {
            name,
            channel: channel.to_owned(),
            serial,
            data,
            value,
        }
    }
}

/// Reads what was published on some channels after each one's serial. One query a channel, one read
/// more if the app has bounded how many publications are kept, and one write for each serial that it
/// closes.
///
/// # Errors
/// [`Fault`].
pub async fn read(
    services: &Services,
    app: &App,
    positions: Vec<Position>,
    now: UnixMillis,
) -> Result<Read, Fault> {
    let data_max_bytes = POLL_DATA_MAX_BYTES / positions.len().max(1);
    let reads: Vec<(Position, ChannelRead)> = stream::iter(positions)
        .map(|position| async move {
            let read = read_channel(&services.table, app, &position, data_max_bytes, now).await;
            read.map(|read| (position, read))
        })
        .buffered(TABLE_CONCURRENCY)
        .try_collect()
        .await?;
    let mut whole = Read {
        events: Vec::new(),
        next: Vec::with_capacity(reads.len()),
        truncated: Vec::new(),
        unfinished: reads.iter().any(|(_, read)| read.unfinished),
        last_at: reads.iter().filter_map(|(_, read)| read.last_at).max(),
    };
    for (position, read) in reads {
        let channel = position.channel.as_str();
        if read.truncated {
            whole.truncated.push(channel.to_owned());
        }
        let events = read.rows.into_iter().filter_map(|row| {
            row.event
                .map(|(name, data)| ReadEvent::new(channel, row.serial, name, data))
        });
        whole.events.extend(events);
        whole.next.push(Position {
            after: read.after,
            ..position
        });
    }
    Ok(whole)
}

/// What a channel's log gave.
#[derive(Debug)]
pub(crate) struct ChannelRead {
    /// Contiguous, after the position.
    pub(crate) rows: Vec<LogRow>,
    /// The position after them.
    pub(crate) after: u64,
    /// Whether something before them is kept no more.
    pub(crate) truncated: bool,
    /// Whether there is more, or something is awaited.
    unfinished: bool,
    last_at: Option<UnixMillis>,
}

/// Reads a channel's log after a position: one query, and one write for each serial that it closes; one read
/// more where the log has nothing from the position on.
///
/// # Errors
/// [`Fault`].
pub(crate) async fn read_channel(
    table: &Table,
    app: &App,
    position: &Position,
    data_max_bytes: usize,
    now: UnixMillis,
) -> Result<ChannelRead, Fault> {
    let of = ChannelKey::new(app.id(), &position.channel);
    let retention_secs = app.settings().retention_secs;
    // What lies before is kept no more.
    let floor = match app.settings().retention_count {
        0 => 0,
        count => table.audience(&of).await?.serial.saturating_sub(count),
    };
    let mut read = ChannelRead {
        rows: Vec::new(),
        after: position.after.max(floor),
        truncated: (1..floor).contains(&position.after),
        unfinished: false,
        last_at: None,
    };
    let mut closed_some = false;
    for _ in 0..EXPIRED_PAGES_MAX {
        // From the position itself on: its row says when the last publication was.
        let page = table.log_from(&of, read.after, POLL_EVENTS_MAX + 1).await?;
        read.unfinished = page.more;
        let Some(last) = page.rows.last() else {
            if position.after > 0 {
                let tip = table.audience(&of).await?.serial;
                if position.after > tip {
                    // A serial that nothing has: the reader's is another table's, or one that was restored.
                    read.truncated = true;
                    read.after = tip;
                }
            }
            return Ok(read);
        };
        read.last_at = Some(last.at);
        let all_expired = is_expired(last.at, retention_secs, now);
        let prefix = prefix(read.after, page.rows, retention_secs, now);
        // A reader without a position has missed nothing.
        read.truncated |= prefix.truncated && position.after != 0;
        read.after = prefix.after;
        if !prefix.holes.is_empty() && !closed_some {
            closed_some = true;
            for serial in prefix.holes {
                table.close_serial(&of, serial, retention_secs, now).await?;
            }
        } else if !(all_expired && page.more) {
            read.unfinished |= prefix.waits;
            read.rows = prefix.rows;
            break;
        }
    }
    let mut bytes = 0;
    let fitting = read.rows.iter().take_while(|row| {
        bytes += row
            .event
            .as_ref()
            .map_or(0, |(name, data)| name.len() + data.len());
        bytes <= data_max_bytes
    });
    // At least one, or a poll of many channels would never get on.
    let fitting = fitting.count().clamp(1, POLL_EVENTS_MAX);
    if read.rows.len() > fitting {
        read.rows.truncate(fitting);
        read.unfinished = true;
    }
    read.after = read.rows.last().map_or(read.after, |row| row.serial);
    Ok(read)
}

/// The part of a log that may be shown.
#[derive(Debug, Default, PartialEq, Eq)]
struct Prefix {
    /// Contiguous, after the position.
    rows: Vec<LogRow>,
    /// The position before them: later than asked when rows have expired.
    after: u64,
    /// Whether something between the asked position and this one is lost to this reader.
    truncated: bool,
    /// Serials to close before reading on.
    holes: Vec<u64>,
    /// Whether it ends at a serial that may still come.
    waits: bool,
}

/// Whether a publication made then is kept no more.
pub(crate) fn is_expired(at: UnixMillis, retention_secs: u64, now: UnixMillis) -> bool {
    at.plus_secs(retention_secs) <= now
}

/// Finds the contiguous rows after a position in rows that begin at the position or after it.
fn prefix(after: u64, rows: Vec<LogRow>, retention_secs: u64, now: UnixMillis) -> Prefix {
    let mut prefix = Prefix {
        after,
        ..Prefix::default()
    };
    let mut expected = if after == 0 { None } else { Some(after + 1) };
    for row in rows {
        if row.serial <= after {
            continue;
        }
        if prefix.rows.is_empty() && is_expired(row.at, retention_secs, now) {
            prefix.truncated = true;
            prefix.after = row.serial;
            expected = Some(row.serial + 1);
            continue;
        }
        let missing = match expected {
            Some(expected) => expected..row.serial,
            // Nothing to join on to: the one before, if it cannot have expired yet.
            None => row.serial.saturating_sub(1)..row.serial,
        };
        if !missing.is_empty() {
            let first = prefix.rows.is_empty();
            if first
                && (row.previous_at == UnixMillis::default()
                    || is_expired(row.previous_at, retention_secs, now))
            {
                // What was between is kept no more, or is not known to have been.
                prefix.truncated |= expected.is_some();
                prefix.after = row.serial - 1;
            } else if now.millis_since(row.at) < HOLE_GRACE_MILLIS {
                prefix.waits = true;
                return prefix;
            } else {
                // Before the first row it is only known of the last serial that it is recent.
                let closable = if first {
                    row.serial - 1..row.serial
                } else {
                    missing
                };
                prefix.holes = closable
                    .rev()
                    .take(usize::try_from(HOLES_CLOSED_MAX).unwrap_or(usize::MAX))
                    .collect();
                return prefix;
            }
        }
        expected = Some(row.serial + 1);
        prefix.rows.push(row);
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limits::RETENTION_SECS_DEFAULT;

    const NOW: UnixMillis = UnixMillis(10_000_000);

    /// A row published `age_secs` ago, the one before it `previous_age_secs` ago.
    fn row(serial: u64, age_secs: u64, previous_age_secs: u64) -> LogRow {
        let event = Some(("e".to_owned(), "d".to_owned()));
        LogRow {
            serial,
            at: NOW.minus_secs(age_secs),
            previous_at: NOW.minus_secs(previous_age_secs),
            event,
        }
    }

    fn shown(after: u64, rows: Vec<LogRow>) -> (Vec<u64>, Prefix) {
        let prefix = prefix(after, rows, RETENTION_SECS_DEFAULT, NOW);
        (prefix.rows.iter().map(|row| row.serial).collect(), prefix)
    }

    #[test]
    fn what_is_contiguous_is_shown() {
        let (serials, prefix) = shown(7, vec![row(7, 9, 10), row(8, 8, 9), row(9, 7, 8)]);
        assert_eq!(serials, [8, 9]);
        assert!(!prefix.truncated && !prefix.waits && prefix.holes.is_empty());
    }

    #[test]
    fn a_missing_serial_is_awaited_and_then_closed() {
        let (serials, prefix) = shown(7, vec![row(8, 8, 9), row(10, 1, 1), row(11, 1, 1)]);
        assert_eq!((serials.as_slice(), prefix.waits), ([8].as_slice(), true));
        let (serials, prefix) = shown(7, vec![row(8, 8, 9), row(11, 3, 3)]);
        assert_eq!(
            (serials.as_slice(), prefix.holes.as_slice()),
            ([8].as_slice(), [10, 9].as_slice())
        );
    }

    #[test]
    fn a_serial_missing_right_after_the_position_is_no_different() {
        let (serials, prefix) = shown(7, vec![row(9, 1, 1)]);
        assert!(serials.is_empty() && prefix.waits && !prefix.truncated);
        assert_eq!(shown(7, vec![row(9, 3, 3)]).1.holes, [8]);
        assert_eq!(shown(0, vec![row(9, 3, 3)]).1.holes, [8]);
    }

    #[test]
    fn what_has_expired_is_said_to_be_lost_once() {
        let (serials, prefix) = shown(7, vec![row(8, 400, 401), row(9, 10, 400)]);
        assert_eq!(
            (serials.as_slice(), prefix.truncated),
            ([9].as_slice(), true)
        );
        let (serials, prefix) = shown(7, vec![row(12, 10, 400)]);
        assert_eq!(
            (serials.as_slice(), prefix.truncated),
            ([12].as_slice(), true)
        );
        let (serials, prefix) = shown(0, vec![row(12, 10, 400)]);
        assert_eq!(
            (serials.as_slice(), prefix.truncated),
            ([12].as_slice(), false)
        );
        let (serials, prefix) = shown(7, vec![row(8, 400, 401), row(9, 399, 400)]);
        assert_eq!(
            (serials.len(), prefix.after, prefix.truncated),
            (0, 9, true)
        );
    }

    #[test]
    fn the_first_publication_of_all_is_shown_at_once() {
        let first = LogRow {
            previous_at: UnixMillis(0),
            ..row(1_790_000_000_000, 0, 0)
        };
        assert_eq!(shown(0, vec![first]).0, [1_790_000_000_000]);
    }

    #[test]
    fn a_value_in_the_data_is_repeated_outside() {
        let event = |data: &str| {
            serde_json::to_value(ReadEvent::new(
                "c",
                1,
                "progress".to_owned(),
                data.to_owned(),
            ))
            .expect("prints")
        };
        assert_eq!(event(r#"{"value":0.5}"#)["value"], 0.5);
        assert_eq!(event(r#"{"value":0.5}"#)["data"], r#"{"value":0.5}"#);
        for data in ["", "{}", "[1]", "null", "{\"value\":"] {
            assert!(event(data).get("value").is_none(), "{data}");
        }
    }
}
