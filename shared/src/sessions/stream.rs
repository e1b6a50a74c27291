//! A session's stream: frames are sent as they come, until another request has the session.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::Instant;

use crate::aws::now;
use crate::aws::table::Waiting;
use crate::log::log_fault;
use crate::model::error::Fault;
use crate::model::limits::{
    FOLLOW_FAULTS_MAX, HEARTBEAT_PAUSE, LOOK_PAUSE_MIN, REOPEN_PATIENCE, REOPEN_PATIENCE_AT_END,
};
use crate::model::session::{Lines, Parting};
use crate::sessions::reader::{Look, Reader, keys};
use crate::transport::post;
use crate::transport::reach::parting;

/// What its client is sent, bit by bit, until another request has the session, it is closed, or the
/// stream's time is over and its client does not come back.
pub fn chunks(mut reader: Reader, life: Duration) -> impl Stream<Item = Bytes> {
    let begun_at = Instant::now();
    let held = std::mem::take(&mut reader.held);
    let mut sent = Sent::of(reader.lines);
    sent.count(&held);
    let flow = Flow {
        reader,
        sent,
        sent_at: begun_at,
        ends_at: begun_at + life,
        full_at: None,
        taken: None,
        faults: 0,
        over: false,
    };
    let first = stream::iter((!held.is_empty()).then(|| Bytes::from(held)));
    let others = stream::unfold(flow, |mut flow| async move {
        let chunk = flow.next().await?;
        flow.sent.count(&chunk);
        flow.sent_at = Instant::now();
        Some((Bytes::from(chunk), flow))
    });
    first.chain(others)
}

/// A stream that goes on.
struct Flow {
    reader: Reader,
    sent: Sent,
    sent_at: Instant,
    ends_at: Instant,
    /// Since when it is full.
    full_at: Option<Instant>,
    /// What was read and is not sent yet, because it may not be deleted.
    taken: Option<(Vec<Waiting>, Option<Parting>)>,
    faults: usize,
    over: bool,
}

impl Flow {
    /// What is sent next; `None`: the stream ends.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.over || self.faults >= FOLLOW_FAULTS_MAX {
                return None;
            }
            if self.sent.is_full() {
                return self.wait_for_successor().await;
            }
            if Instant::now() >= self.ends_at && self.taken.is_none() {
                return Some(self.sent.filler());
            }
            match self.advance().await {
                Ok(Some(chunk)) => {
                    self.faults = 0;
                    self.reader.pause = LOOK_PAUSE_MIN;
                    return Some(chunk);
                }
                Ok(None) if self.over => return None,
                Ok(None) => {
                    self.faults = 0;
                    if self.sent_at.elapsed() >= HEARTBEAT_PAUSE {
                        return Some(self.reader.lines.heartbeat.to_owned());
                    }
                }
                Err(fault) => {
                    log_fault!(error, fault, connection_id = %self.reader.id, "stream did not read");
                    self.faults += 1;
                }
            }
            self.reader.rest().await;
        }
    }

    /// Deletes what waits, and gives it to be sent.
    async fn advance(&mut self) -> Result<Option<String>, Fault> {
        if self.taken.is_none() {
            self.taken = match self.reader.look().await? {
                Look::Stale => {
                    self.over = true;
                    return Ok(None);
                }
                Look::Has(waiting, None) if waiting.is_empty() => return Ok(None),
                Look::Has(waiting, parting) => Some((waiting, parting)),
            };
        }
        if let Some((waiting, _)) = &self.taken {
            let table = &self.reader.services.table;
            table.delete_frames(&self.reader.id, keys(waiting)).await?;
        }
        Ok(self.taken.take().map(|(waiting, parting)| {
            self.over = parting.is_some();
            self.reader.print(&waiting, parting.as_ref())
        }))
    }

    /// Waits until another request has the session. A client that does not come back is closed.
    async fn wait_for_successor(&mut self) -> Option<String> {
        let full_at = *self.full_at.get_or_insert_with(Instant::now);
        let until = (full_at + REOPEN_PATIENCE).min(self.ends_at + REOPEN_PATIENCE_AT_END);
        loop {
            match self.reader.look().await {
                Ok(Look::Stale) => return None,
                Ok(Look::Has(_, _)) => {}
                Err(fault) => {
                    log_fault!(error, fault, connection_id = %self.reader.id, "stream did not read");
                }
            }
            if Instant::now() >= until {
                break;
            }
            self.reader.rest().await;
        }
        self.over = true;
        let (services, id) = (&self.reader.services, &self.reader.id);
        if let Err(fault) = post::end(services, id, None, now()).await {
            log_fault!(error, fault, connection_id = %id, "not forgotten");
        }
        services.tell_webhooks().await;
        Some((self.reader.lines.parting)(&parting(services, None)))
    }
}

/// How much a stream has been sent, as its client counts it. The client opens a stream anew as soon as it has
/// read a line that ends beyond a bound, and what comes after that line is lost.
#[derive(Clone, Copy)]
struct Sent {
    lines: &'static Lines,
    units: usize,
}

impl Sent {
    const fn of(lines: &'static Lines) -> Self {
        Self { lines, units: 0 }
    }

    /// Counts a line.
    fn count(&mut self, line: &str) {
        self.units += line.encode_utf16().count();
    }

    /// Whether nothing more may be sent.
    const fn is_full(self) -> bool {
        self.units > self.lines.reopened_units
    }

    /// A line without frames in it that fills the stream up.
    fn filler(self) -> String {
        let missing = self.lines.reopened_units.saturating_sub(self.units);
        (self.lines.filler)(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static LINES: Lines = Lines {
        open: "",
        heartbeat: "h",
        frames: |_| String::new(),
        parting: |_| String::new(),
        parse: |_| Ok(Vec::new()),
        reopened_units: 1_000,
        filler: |units| "x".repeat(units + 1),
    };

    #[test]
    fn a_stream_is_full_with_the_line_that_its_client_leaves_after() {
        let mut sent = Sent::of(&LINES);
        sent.count(&"€".repeat(1_000));
        assert!(!sent.is_full(), "its client reads on");
        sent.count(LINES.heartbeat);
        assert!(sent.is_full());
        for before in [0, 500, 1_000] {
            let mut sent = Sent::of(&LINES);
            sent.count(&"a".repeat(before));
            let filler = sent.filler();
            sent.count(&filler);
            assert!(sent.is_full(), "{before}");
        }
    }
}
