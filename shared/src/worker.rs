//! Doing what was left to others: the messages of the queues, which say what kind they are.
//!
//! Deliveries to one shard of a channel are done one after the other, each after the one before it is
//! done: when one fails, all later ones of its group are given back with it, and come again in their
//! order. Other groups go on.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};

use crate::aws::table::ChannelKey;
use crate::aws::{Clock, Services};
use crate::channels::counts;
use crate::connections::end;
use crate::delivery::deliver_to_shard;
use crate::log::log_fault;
use crate::model::error::Fault;
use crate::model::limits::{FANOUT_BATCH_PATIENCE, TABLE_CONCURRENCY};
use crate::model::task::{Announce, Delivery, Forget, QueueMessage, Recount, Task};
use crate::model::time::UnixMillis;
use crate::presence::lease;
use crate::transport::pacer::Pacer;
use crate::upkeep::operation_name;

/// What is left of a group: `None` for a message that is not understood.
type Group = Vec<(String, Option<(Delivery, bool)>)>;

/// Does what messages ask for, what several ask for once, and gives the ids of those that have
/// failed: they are handed out again. With a `pacer` for the posts of deliveries.
pub async fn perform_all(
    services: &Services,
    pacer: &Pacer,
    messages: Vec<QueueMessage>,
    now: UnixMillis,
) -> Vec<String> {
    let mut failed = Vec::new();
    let mut jobs: HashMap<Job, Vec<String>> = HashMap::new();
    let mut groups: HashMap<String, Group> = HashMap::new();
    for QueueMessage {
        id,
        body,
        group,
        is_repeated,
    } in messages
    {
        match (Task::parse(&body), group) {
            (Ok(Task::SubscriptionCount(recount)), _) => {
                jobs.entry(Job::Count(recount)).or_default().push(id);
            }
            (Ok(Task::Announce(announce)), _) => {
                jobs.entry(Job::Announce(announce)).or_default().push(id);
            }
            (Ok(Task::Forget(forget)), _) => {
                jobs.entry(Job::Forget(forget)).or_default().push(id);
            }
            (Ok(Task::Deliver(delivery)), group) => {
                let group = group.unwrap_or_else(|| delivery.group());
                let of_group = groups.entry(group).or_default();
                of_group.push((id, Some((delivery, is_repeated))));
            }
            (Err(fault), group) => {
                log_fault!(error, fault, message_id = id, "not understood");
                match group {
                    Some(group) => groups.entry(group).or_default().push((id, None)),
                    None => failed.push(id),
                }
            }
        }
    }
    let clock = Clock::start(now, FANOUT_BATCH_PATIENCE);
    let delivering = stream::iter(groups.into_values())
        .map(|group| deliver_group(services, pacer, group, clock, now))
        .buffer_unordered(TABLE_CONCURRENCY)
        .collect::<Vec<_>>();
    let doing = stream::iter(jobs)
        .map(|(job, ids)| async move {
            match job.perform(services, now).await {
                Ok(()) => Vec::new(),
                Err(fault) => {
                    log_fault!(error, fault, message_ids = ?ids, "not done");
                    ids
                }
            }
        })
        .buffer_unordered(TABLE_CONCURRENCY)
        .collect::<Vec<_>>();
    let (undelivered, undone) = tokio::join!(delivering, doing);
    services.tell_webhooks().await;
    failed.extend(undelivered.into_iter().chain(undone).flatten());
    failed
}

/// Delivers one after the other, as long as there is time to begin, and gives the ids of those from
/// the first one that is not done.
async fn deliver_group(
    services: &Services,
    pacer: &Pacer,
    group: Group,
    clock: Clock,
    now: UnixMillis,
) -> Vec<String> {
    let mut group = group.into_iter();
    while let Some((id, delivery)) = group.next() {
        let delivered = match delivery {
            Some((delivery, is_repeated)) if !clock.is_over() => {
                let what = format!("{delivery:?}");
                let delivered = deliver_to_shard(services, pacer, delivery, is_repeated, now).await;
                delivered.inspect_err(|fault| {
                    if matches!(fault, Fault::Overdue) {
                        tracing::warn!(
                            what,
                            error_type = fault.error_type(),
                            "delivered in part, and to be gone on with"
                        );
                    } else {
                        log_fault!(error, fault, what, "not delivered");
                    }
                })
            }
            // It was logged, or is not begun.
            Some(_) | None => Err(Fault::Overdue),
        };
        if delivered.is_err() {
            return std::iter::once(id).chain(group.map(|(id, _)| id)).collect();
        }
    }
    Vec::new()
}

/// What has no order, and is done once however often it was asked for.
#[derive(PartialEq, Eq, Hash)]
enum Job {
    Count(Recount),
    Announce(Announce),
    Forget(Forget),
}

impl Job {
    async fn perform(&self, services: &Services, now: UnixMillis) -> Result<(), Fault> {
        match self {
            Self::Count(Recount {
                app_id,
                channel,
                put_off,
            }) => {
                let of = ChannelKey::new(app_id, channel);
                counts::announce(services, &of, put_off.as_deref(), now).await
            }
            Self::Announce(Announce { app_id, channel }) => {
                let of = ChannelKey::new(app_id, channel);
                lease::take_up(services, &of, &operation_name()?, now).await
            }
            Self::Forget(Forget { id }) => end::forget(services, id, now).await,
        }
    }
}
