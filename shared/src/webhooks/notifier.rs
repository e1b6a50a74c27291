//! Delivering webhooks: what the queue hands out is posted to those who want it.
//!
//! # The order of steps, what a half-done one leaves, and who repairs it
//!
//! (1) what was held is looked at again, and dropped if who had gone is back; (2) one request to the
//! receiver; (3) where it failed, the message is queued again, to be handed out after a pause that
//! doubles, or, when it was tried for long enough, put among the dead; (4) the queue deletes what it
//! handed out. A crash after (2) or (3) has the queue hand out the same message again, so it is
//! delivered at least once, and may be tried by two copies from then on.
//!
//! Queued again rather than kept in flight until the next attempt: a queue has room for 120,000
//! messages in flight, which one receiver that fails for some minutes would take from all the others,
//! and Lambda calls a function less often whose messages fail. What fails the function itself the queue
//! hands out again, and after some times puts among the dead by itself.
//!
//! # Nobody waits for another
//!
//! A receiver's requests go out some at a time, beside those of others. One that lets a request go
//! unanswered is left alone for a while: what else there is for it is put off like what has failed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::HeaderMap;

use crate::aws::queue::Queue;
use crate::aws::receiver::{Failure, Receivers};
use crate::aws::table::ChannelKey;
use crate::aws::{Services, now};
use crate::config::Config;
use crate::log::log_fault;
use crate::model::app::App;
use crate::model::error::{ErrorType, Fault, chain};
use crate::model::limits::{TABLE_CONCURRENCY, WEBHOOK_CONCURRENCY};
use crate::model::task::QueueMessage;
use crate::model::webhook::{Event, Happened, Message, Outgoing, Resting, Webhook};

/// The share of its patience for which a receiver that did not answer is left alone.
const REST: u32 = 20;

/// What delivers webhooks.
#[derive(Clone)]
pub struct Notifier {
    receivers: Receivers,
    resting: Arc<Mutex<Resting>>,
    /// Where what has failed goes: to be tried again, and to its end.
    again: Queue,
    dead: Queue,
    patience: Duration,
    print: Print,
}

/// Prints the request that a webhook is.
pub type Print = fn(&App, &Webhook, &[&Happened]) -> (HeaderMap, Bytes);

/// A message that was handed out, and the queue's name for it.
struct HandedOut {
    id: String,
    message: Message,
}

/// What has become of a message.
enum Outcome {
    /// There is nothing more to do.
    Done,
    /// It is to be handed out again as it is: something of ours has failed.
    Unknown,
    /// The receiver has not taken it.
    Failed(String),
}

impl Notifier {
    /// Clients that open nothing yet. `None`: the function was started without its queues.
    #[must_use]
    pub fn new(config: &Config, print: Print) -> Option<Self> {
        Some(Self {
            receivers: Receivers::new(config),
            resting: Arc::default(),
            again: Queue::webhooks(config)?,
            dead: Queue::dead_webhooks(config)?,
            patience: config.webhook_patience,
            print,
        })
    }

    /// Delivers messages, and gives the ids of those that the queue is to hand out again. It takes no
    /// longer than a receiver may, whatever receivers do. What is held costs a read or two each.
    pub async fn deliver_all(
        &self,
        services: &Services,
        messages: Vec<QueueMessage>,
    ) -> Vec<String> {
        let mut failed = Vec::new();
        // By app and webhook.
        let mut receivers: BTreeMap<(String, String), Vec<HandedOut>> = BTreeMap::new();
        for QueueMessage { id, body, .. } in messages {
            match Message::parse(&body) {
                Ok(message) => receivers
                    .entry((message.app_id.clone(), message.to.clone()))
                    .or_default()
                    .push(HandedOut { id, message }),
                Err(problem) => {
                    let error_type = ErrorType::TaskUnreadable.name();
                    tracing::error!(
                        message_id = id,
                        error_type,
                        error = problem,
                        "not understood"
                    );
                    failed.push(id);
                }
            }
        }
        let deliveries: Vec<_> = receivers
            .into_iter()
            .map(|((app_id, to), messages)| self.deliver(services, app_id, to, messages))
            .collect();
        let outcomes: Vec<(HandedOut, Outcome)> = stream::iter(deliveries)
            .buffer_unordered(TABLE_CONCURRENCY)
            .flat_map(stream::iter)
            .collect()
            .await;
        failed.extend(self.put_off(outcomes).await);
        failed
    }

    /// Delivers all messages for one webhook.
    async fn deliver(
        &self,
        services: &Services,
        app_id: String,
        to: String,
        messages: Vec<HandedOut>,
    ) -> Vec<(HandedOut, Outcome)> {
        let app = services.apps.by_id(&app_id);
        let webhook = app.and_then(|app| {
            let mut webhooks = app.settings().webhooks.iter();
            Some((
                app,
                webhooks.find(|webhook| webhook.url().to_string() == to)?,
            ))
        });
        let Some((app, webhook)) = webhook else {
            tracing::info!(
                app_id,
                messages = messages.len(),
                "dropped: there is no such webhook any more"
            );
            let done = |message| (message, Outcome::Done);
            return messages.into_iter().map(done).collect();
        };
        let looks: Vec<_> = messages
            .into_iter()
            .map(|handed_out| async move {
                let message = &handed_out.message;
                let true_events = still_true(services, app, webhook, message).await;
                (handed_out, true_events)
            })
            .collect();
        let mut outcomes = Vec::new();
        let mut ready = Vec::new();
        let mut looks = stream::iter(looks).buffered(TABLE_CONCURRENCY);
        while let Some((handed_out, looked)) = looks.next().await {
            match looked {
                Ok(events) if events.is_empty() => outcomes.push((handed_out, Outcome::Done)),
                Ok(events) => ready.push((handed_out, events)),
                Err(fault) => {
                    log_fault!(error, fault, app_id, "not looked at");
                    outcomes.push((handed_out, Outcome::Unknown));
                }
            }
        }
        let requests = if app.settings().webhook_batching {
            Vec::from_iter((!ready.is_empty()).then_some(ready))
        } else {
            ready.into_iter().map(|one| vec![one]).collect()
        };
        let requests: Vec<_> = requests
            .into_iter()
            .map(|messages| self.request(app, webhook, messages))
            .collect();
        let requested: Vec<Vec<_>> = stream::iter(requests)
            .buffered(WEBHOOK_CONCURRENCY)
            .collect()
            .await;
        outcomes.extend(requested.into_iter().flatten());
        outcomes
    }

    /// One request with the events of some messages.
    async fn request(
        &self,
        app: &App,
        webhook: &Webhook,
        messages: Vec<(HandedOut, Vec<Happened>)>,
    ) -> Vec<(HandedOut, Outcome)> {
        let url = webhook.url();
        let (app_id, host) = (app.id(), url.host().unwrap_or_default());
        let failure = if self.is_resting(webhook) {
            Some("left alone: it did not answer".to_owned())
        } else {
            let events: Vec<&Happened> = messages.iter().flat_map(|(_, events)| events).collect();
            let (headers, body) = (self.print)(app, webhook, &events);
            let posted = self.receivers.post(url, headers, body).await;
            if let Err(Failure::Hung) = &posted {
                let until = now().plus_secs((self.patience / REST).as_secs());
                self.resting().rest(&url.to_string(), until);
            }
            posted.err().map(|failure| chain(&failure))
        };
        let messages = messages.into_iter().map(|(message, _)| message);
        match failure {
            None => {
                tracing::info!(app_id, host, "told");
                messages.map(|message| (message, Outcome::Done)).collect()
            }
            Some(problem) => {
                tracing::warn!(app_id, host, problem, "not told");
                let failed = |message| (message, Outcome::Failed(problem.clone()));
                messages.map(failed).collect()
            }
        }
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_resting(&self, webhook: &Webhook) -> bool {
        self.resting().is_resting(&webhook.url().to_string(), now())
    }

    /// Queues what has failed, to be tried again or among the dead, and gives the ids of what stays
    /// where it is.
    async fn put_off(&self, outcomes: Vec<(HandedOut, Outcome)>) -> Vec<String> {
        let mut stay = Vec::new();
        let (mut again, mut dead) = (Vec::new(), Vec::new());
        for (HandedOut { id, message }, outcome) in outcomes {
            match outcome {
                Outcome::Done => {}
                Outcome::Unknown => stay.push(id),
                Outcome::Failed(problem) => match message.clone().again(now(), self.patience) {
                    Some(Outgoing { message, delay }) => again.push((id, message.print(), delay)),
                    None => {
                        let error_type = ErrorType::WebhookGivenUp.name();
                        tracing::error!(app_id = message.app_id, id = %message.id, error_type, error = problem, "given up");
                        dead.push((id, message.dead(&problem).print(), Duration::ZERO));
                    }
                },
            }
        }
        for (queue, messages) in [(&self.again, again), (&self.dead, dead)] {
            if messages.is_empty() {
                continue;
            }
            let (ids, sent): (Vec<String>, Vec<(String, Duration)>) = messages
                .into_iter()
                .map(|(id, text, delay)| (id, (text, delay)))
                .unzip();
            if let Err(unsent) = queue.send_all(&sent).await {
                log_fault!(error, unsent.fault, "not put off");
                stay.extend(unsent.places.into_iter().map(|place| ids[place].clone()));
            }
        }
        stay
    }
}

/// The events of a message that the webhook lets through, and of those that were held the ones
/// that are still so.
async fn still_true(
    services: &Services,
    app: &App,
    webhook: &Webhook,
    message: &Message,
) -> Result<Vec<Happened>, Fault> {
    let mut events = Vec::new();
    for happened in &message.events {
        if webhook.lets_through(&happened.event) && is_still_true(services, app, happened).await? {
            events.push(happened.clone());
        }
    }
    Ok(events)
}

async fn is_still_true(services: &Services, app: &App, happened: &Happened) -> Result<bool, Fault> {
    let table = &services.table;
    match &happened.event {
        Event::ChannelVacated { channel } => {
            let of = ChannelKey::new(app.id(), channel);
            let audience = table.audience(&of).await?;
            // Who came and went meanwhile has a message of its own.
            let is_latest = audience.vacated_at.is_none_or(|at| at == happened.at);
            if audience.subscribers > 0 || !is_latest {
                return Ok(false);
            }
            for shard in 0..audience.shards {
                let page = table.subscribers(&of, shard, None).await?;
                if page.subscribers.iter().any(|row| row.expires_at > now()) {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Event::MemberRemoved { channel, user_id } => {
            let of = ChannelKey::new(app.id(), channel);
            let row = table.member(&of, user_id).await?;
            Ok(row.is_none_or(|row| {
                let is_latest = row.gone_at.is_none_or(|at| at == happened.at);
                is_latest && !row.member.announced && !row.member.is_there(now())
            }))
        }
        Event::ChannelOccupied { .. }
        | Event::MemberAdded { .. }
        | Event::ClientEvent { .. }
        | Event::CacheMiss { .. }
        | Event::SubscriptionCount { .. } => Ok(true),
    }
}
