//! Readers that have no connection: a stream, as an `EventSource` reads it, and polls, one after another.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::storm::history::{From, Reading};
use crate::storm::outside::Outside;
use crate::storm::plan::calls::{Grant, Kind, ReaderPlan};
use crate::storm::plan::world::{APPS, CHANNELS, user};
use crate::storm::wire::{App, EVENT, number_in};

/// How long a poll waits at the other end, in seconds.
const WAIT_SECS: u64 = 3;
/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing has to come on a stream for it to be at its end: longer than a hole is waited for.
const SILENCE: Duration = Duration::from_secs(4);
/// The same for a poll: a hole is closed by then.
const HOLE: Duration = Duration::from_millis(3_000);
/// Pause before it asks again after something failed, and after a stream's end: what it is told.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a reader with a right to it asks again after it was refused: a token may be lost with an answer.
const REFUSALS_MAX: u32 = 5;

/// To say when it has read everything that there is.
pub(crate) type ToTheEnd = oneshot::Sender<()>;

/// A reader at work.
pub(crate) struct Reader {
    plan: ReaderPlan,
    app: &'static App,
    outside: Arc<Outside>,
    number: u32,
    /// Where it is: the cursor, or what `after` has to be.
    cursor: Option<String>,
    after: Option<String>,
    token: Option<String>,
    is_let: bool,
    refusals: u32,
}

/// What came of an answer.
enum Outcome {
    /// Events, or none.
    Took(usize),
    Failed,
    Refused,
    Later(Duration),
}

impl Reader {
    pub(crate) fn new(plan: ReaderPlan, outside: &Arc<Outside>) -> Self {
        Self {
            app: &APPS[plan.app],
            outside: outside.clone(),
            number: outside.recorder.new_reader(),
            cursor: None,
            after: None,
            token: None,
            is_let: false,
            refusals: 0,
            plan,
        }
    }

    /// Reads until it is told that this is the end, or refused.
    pub(crate) async fn live(
        mut self,
        started: Instant,
        mut orders: mpsc::UnboundedReceiver<ToTheEnd>,
    ) {
        sleep_until(started + Duration::from_millis(self.plan.starts_at)).await;
        self.begin();
        loop {
            if self.plan.token != Grant::None && self.token.is_none() && !self.take_token().await {
                sleep(AGAIN).await;
                continue;
            }
            let goes_on = match self.plan.kind {
                Kind::Poll => self.poll(&mut orders).await,
                Kind::Stream => self.stream(&mut orders).await,
            };
            if !goes_on {
                break;
            }
        }
        self.note(Reading::Ends);
        // Whoever asks it is told that there is nothing more to wait for.
        while let Some(reply) = orders.recv().await {
            let _ = reply.send(());
        }
    }

    fn note(&self, step: Reading) {
        self.outside.recorder.reads(self.number, step);
    }

    fn names(&self) -> Vec<&'static str> {
        self.plan
            .channels
            .iter()
            .map(|&channel| CHANNELS[channel])
            .collect()
    }

    fn begin(&mut self) {
        let from = if self.plan.now {
            From::Now
        } else {
            From::After(0)
        };
        let names = self.names();
        let is_public = |name: &&str| !crate::storm::plan::world::needs_auth(name);
        let may = names.iter().all(is_public) || self.plan.token == Grant::These;
        let channels = names
            .iter()
            .map(|name| (self.app.name(name), from))
            .collect();
        self.note(Reading::Begins { channels, may });
        let start = if self.plan.now { "now" } else { "0" };
        self.after = Some(vec![start; names.len()].join(","));
    }

    async fn take_token(&mut self) -> bool {
        let names = self.names();
        let granted: Vec<&str> = match self.plan.token {
            Grant::Others => vec!["private-another"],
            Grant::These | Grant::None => names,
        };
        // Nobody has its connections ended.
        let reader = user(90 + self.number as usize);
        self.token = self.outside.token(self.app, &reader, &granted).await;
        self.token.is_some()
    }

    fn let_in(&mut self) {
        if !self.is_let {
            self.is_let = true;
            self.note(Reading::Let);
        }
    }

    /// Takes an event that was shown.
    fn take(&self, message: &Value) -> bool {
        let event = message["data"].as_str().and_then(number_in);
        let (Some(channel), Some(serial), Some(event)) = (
            message["channel"].as_str(),
            message["serial"].as_u64(),
            event.filter(|_| message["type"] == EVENT),
        ) else {
            return false;
        };
        self.note(Reading::Read {
            channel: self.app.name(channel),
            event,
            serial,
        });
        true
    }

    fn truncated(&self, channel: &str) {
        self.note(Reading::Truncated {
            channel: self.app.name(channel),
        });
    }

    /// What it asks with, to go on where it is.
    fn query(&self, wait_secs: u64) -> String {
        let mut query = format!("channels={}", self.names().join(","));
        match (&self.cursor, &self.token, &self.after) {
            (Some(cursor), _, _) => query.push_str(&format!("&cursor={cursor}")),
            (None, Some(token), Some(after)) => {
                query.push_str(&format!("&token={token}&after={after}"));
            }
            (None, None, Some(after)) => query.push_str(&format!("&after={after}")),
            (None, _, None) => {}
        }
        if wait_secs > 0 {
            query.push_str(&format!("&wait={wait_secs}"));
        }
        query
    }

    /// A refusal. `true`: it tries again with another token.
    fn refused(&mut self) -> bool {
        self.refusals += 1;
        // A cursor that is refused ends it; a token may have been used in an answer that was lost.
        let again = self.cursor.is_none()
            && self.plan.token == Grant::These
            && self.refusals < REFUSALS_MAX;
        self.token = None;
        again
    }

    /// Polls once, and, once it is asked, to the end. `false`: it gives up.
    async fn poll(&mut self, orders: &mut mpsc::UnboundedReceiver<ToTheEnd>) -> bool {
        let outcome = tokio::select! {
            order = orders.recv() => match order {
                Some(reply) => {
                    self.poll_to_the_end().await;
                    let _ = reply.send(());
                    return true;
                }
                None => return false,
            },
            outcome = self.poll_once(WAIT_SECS) => outcome,
        };
        match outcome {
            Outcome::Took(_) => {}
            Outcome::Failed => sleep(AGAIN).await,
            Outcome::Later(pause) => sleep(pause).await,
            Outcome::Refused => return self.refused(),
        }
        true
    }

    /// Polls until there is nothing more, long enough after it was asked that no hole is left.
    async fn poll_to_the_end(&mut self) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match self.poll_once(0).await {
                Outcome::Took(0) if began.elapsed() >= HOLE => {
                    self.note(Reading::UpToDate);
                    return;
                }
                Outcome::Took(0) => sleep(AGAIN / 2).await,
                Outcome::Took(_) => {}
                Outcome::Failed => sleep(AGAIN).await,
                Outcome::Later(pause) => sleep(pause).await,
                Outcome::Refused => return,
            }
        }
    }

    async fn poll_once(&mut self, wait_secs: u64) -> Outcome {
        let url = format!(
            "{}/status/{}?{}",
            self.outside.base,
            self.app.key,
            self.query(wait_secs)
        );
        let Ok(answer) = self.outside.http.get(url).timeout(PATIENCE).send().await else {
            return Outcome::Failed;
        };
        let later = answer
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        match answer.status().as_u16() {
            200 => {}
            401 | 403 => return Outcome::Refused,
            429 => return Outcome::Later(Duration::from_secs(later.unwrap_or(1))),
            _ => return Outcome::Failed,
        }
        let Ok(text) = answer.text().await else {
            return Outcome::Failed;
        };
        let polled: Value = serde_json::from_str(&text).unwrap_or_default();
        let Some(events) = polled["events"].as_array() else {
            return Outcome::Failed;
        };
        self.let_in();
        for channel in polled["truncated"].as_array().into_iter().flatten() {
            self.truncated(channel.as_str().unwrap_or_default());
        }
        for event in events {
            self.take(event);
        }
        if let Some(cursor) = polled["cursor"].as_str() {
            self.outside.recorder.secret(cursor);
            self.cursor = Some(cursor.to_owned());
        } else if let Some(after) = polled["after"].as_str() {
            self.after = Some(after.to_owned());
        }
        Outcome::Took(events.len())
    }

    /// Reads a stream to its end, and comes back a second later, as a browser does. `false`: it gives up.
    async fn stream(&mut self, orders: &mut mpsc::UnboundedReceiver<ToTheEnd>) -> bool {
        let token = self
            .token
            .as_ref()
            .map(|token| format!("&token={token}"))
            .unwrap_or_default();
        let channels = self.names().join(",");
        let url = format!(
            "{}/stream/{}?channels={channels}{token}",
            self.outside.base, self.app.key
        );
        let mut request = self
            .outside
            .http
            .get(url)
            .header("accept", "text/event-stream");
        if let Some(cursor) = &self.cursor {
            request = request.header("last-event-id", cursor.clone());
        }
        let Ok(Ok(mut answer)) = timeout(PATIENCE, request.send()).await else {
            sleep(AGAIN).await;
            return true;
        };
        match answer.status().as_u16() {
            200 => {}
            401 | 403 => return self.refused(),
            _ => {
                sleep(AGAIN).await;
                return true;
            }
        }
        let (mut unread, mut heard_at, mut asked) = (String::new(), Instant::now(), None);
        loop {
            if asked.is_some() && self.is_let && heard_at.elapsed() >= SILENCE {
                self.note(Reading::UpToDate);
                reply_to(asked.take());
            }
            let chunk = tokio::select! {
                chunk = answer.chunk() => chunk,
                // What is asked is answered on a stream that is open; one that ends meanwhile is opened again.
                order = orders.recv(), if asked.is_none() => match order {
                    Some(reply) => {
                        asked = Some(reply);
                        heard_at = Instant::now();
                        continue;
                    }
                    None => return false,
                },
                () = sleep(AGAIN / 4) => continue,
            };
            match chunk {
                Ok(Some(chunk)) => unread.push_str(&String::from_utf8_lossy(&chunk)),
                Ok(None) | Err(_) => break,
            }
            while let Some((block, rest)) = unread.split_once("\n\n") {
                if self.block(block) {
                    heard_at = Instant::now();
                }
                unread = rest.to_owned();
            }
        }
        sleep(AGAIN).await;
        if let Some(reply) = asked {
            // It is asked again on the next stream, by itself.
            return self.stream_again(orders, reply).await;
        }
        true
    }

    /// Goes on with what it was asked on a stream that has ended.
    async fn stream_again(
        &mut self,
        orders: &mut mpsc::UnboundedReceiver<ToTheEnd>,
        reply: ToTheEnd,
    ) -> bool {
        let (again, mut own) = mpsc::unbounded_channel();
        let _ = again.send(reply);
        // One more stream, on which nothing else is asked.
        let goes_on = Box::pin(self.stream(&mut own)).await;
        while let Ok(left) = own.try_recv() {
            let _ = left.send(());
        }
        goes_on && !orders.is_closed()
    }

    /// Takes a message. Gives whether something was published.
    fn block(&mut self, block: &str) -> bool {
        let mut data = String::new();
        for line in block.lines() {
            if let Some(id) = line.strip_prefix("id: ") {
                self.outside.recorder.secret(id);
                self.cursor = Some(id.to_owned());
            } else if let Some(more) = line.strip_prefix("data: ") {
                data.push_str(more);
            }
        }
        let message: Value = serde_json::from_str(&data).unwrap_or_default();
        match message["type"].as_str() {
            Some("connected") => self.let_in(),
            Some("truncated") => self.truncated(message["channel"].as_str().unwrap_or_default()),
            Some(_) => return self.take(&message),
            None => {}
        }
        false
    }
}

fn reply_to(asked: Option<ToTheEnd>) {
    if let Some(reply) = asked {
        let _ = reply.send(());
    }
}
