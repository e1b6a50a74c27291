//! Announcing on a presence channel: one look at who is there, and everything that follows from it.
//!
//! # The order of steps, what is left if it dies there, and who repairs it
//!
//! 1. Those who wait are acknowledged, with the roster as it is.
//! 2. If there is more to tell than fits one step, the acknowledgements are noted: the roster that each has, too.
//! 3. Those for whom there is no room are told, and taken back.
//! 4. The changes are told to those who are there and do not know them, and noted, step by step.
//!
//! The next holder of the lease (`lease.rs`) does what was done before a crash and not noted once more. So each
//! connection is acknowledged before it is told of changes, and a burst delays nobody's acknowledgement.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::aws::table::{ChannelKey, MemberRow, Subscriber, Told, Written};
use crate::aws::{Clock, Services};
use crate::history::last_event::last_event;
use crate::log::log_fault;
use crate::model::error::{Fault, Rejection};
use crate::model::limits::{
    POST_CONCURRENCY, POST_MAX_BYTES, REFUSED_AT_ONCE, ROUND_POSTS_MAX, TABLE_CONCURRENCY,
};
use crate::model::presence::{Asked, Member, Plan, Roster};
use crate::model::said::Said;
use crate::model::settings::Settings;
use crate::model::time::UnixMillis;
use crate::model::voice::Client;
use crate::model::webhook::{Event, is_back};
use crate::transport::post::post_or_mark;
use crate::transport::say::Speech;
use crate::upkeep::count_out;

/// What one look at a channel came to.
pub(crate) struct Announced {
    /// How many users are there.
    pub(crate) members: usize,
    /// Whether there is more to do: somebody was taken back, or not all was told in time.
    pub(crate) is_unfinished: bool,
}

/// One look at a channel: by whom, and until when it may go on.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    /// Its number: it grows from one look at the channel to the next.
    pub(crate) number: u64,
    /// Whether the announcer before may have told what it did not note.
    pub(crate) after_crash: bool,
    /// The time, and when nothing more is begun.
    pub(crate) clock: Clock,
}

/// Looks at who is there and tells what was not told yet. One query, a post for each that is told
/// something, and one write for each user that it is about; two if it is told in several steps. Only the
/// holder of the channel's lease does this.
///
/// # Errors
/// [`Fault`]: what was told and not noted is told once more.
pub(crate) async fn announce(
    services: &Services,
    of: &ChannelKey,
    round: Round,
    answered: &mut Vec<Asked>,
) -> Result<Announced, Fault> {
    let now = round.clock.now();
    let rows = services.table.members(of).await?;
    let members: Vec<&Member> = rows.iter().map(|row| &row.member).collect();
    let defaults = Settings::default();
    let settings = services
        .apps
        .by_id(&of.app_id)
        .map_or(&defaults, |app| app.settings());
    let max_members = settings.max_presence_members;
    let fits = |roster: &Roster| fits(services, of, roster);
    let plan = Plan::of(&members, fits, max_members, round.after_crash, now);
    let listeners = members.iter().flat_map(|member| member.told(now)).count();
    let changes: Vec<usize> = plan.gone.iter().chain(&plan.come).copied().collect();
    let at_once = (ROUND_POSTS_MAX / listeners.max(1)).max(1);

    acknowledge_all(services, of, &members, &plan, answered, now).await;
    let in_steps = changes.len() > at_once;
    if in_steps {
        note_acknowledged(services, of, &rows, &plan, round.number).await?;
    }
    refuse_some(services, of, &members, &plan, answered, now).await?;
    let mut told: BTreeSet<usize> = BTreeSet::new();
    for some in changes.chunks(at_once) {
        if round.clock.is_over() {
            break;
        }
        tell_changes(services, of, &members, &plan, some, now).await;
        told.extend(some);
        if in_steps {
            note_some(services, of, &rows, &plan, |place| some.contains(&place)).await?;
        }
    }
    let is_left = |place: &usize| changes.contains(place) && !told.contains(place);
    if !in_steps {
        note_some(services, of, &rows, &plan, |place| !is_left(&place)).await?;
    } else if told.len() == changes.len() {
        note_some(services, of, &rows, &plan, |place| {
            !changes.contains(&place)
        })
        .await?;
    }
    Ok(Announced {
        members: plan.roster.len(),
        is_unfinished: !plan.refused.is_empty() || told.len() < changes.len(),
    })
}

/// Notes the acknowledgements of a round that tells its changes in steps.
async fn note_acknowledged(
    services: &Services,
    of: &ChannelKey,
    rows: &[MemberRow],
    plan: &Plan,
    round: u64,
) -> Result<(), Fault> {
    let refused = |place: usize| plan.refused.iter().any(|(other, _)| *other == place);
    let waiting = rows.iter().enumerate();
    let waiting = waiting.filter(|(place, row)| !refused(*place) && !row.member.asked.is_empty());
    let writes: Vec<_> = waiting
        .map(|(_, row)| services.table.note_acknowledged(of, row, round))
        .collect();
    stream::iter(writes)
        .buffer_unordered(TABLE_CONCURRENCY)
        .try_collect()
        .await
}

/// Tells some changes to everybody else who has been acknowledged and whose roster does not have them.
async fn tell_changes(
    services: &Services,
    of: &ChannelKey,
    members: &[&Member],
    plan: &Plan,
    changes: &[usize],
    now: UnixMillis,
) {
    let news: &Vec<(usize, Option<u64>, Speech<'_>)> = &changes
        .iter()
        .map(|&place| {
            let member = members[place];
            if plan.gone.contains(&place) {
                let left = Said::Left {
                    channel: &of.channel,
                    user_id: member.user.id(),
                };
                return (place, None, Speech::new(services.protocols, left));
            }
            let joined = Said::Joined {
                channel: &of.channel,
                user: &member.user,
            };
            let speech = Speech::new(services.protocols, joined);
            (place, member.shown_in, speech)
        })
        .collect();
    let told = members
        .iter()
        .enumerate()
        .flat_map(|(place, member)| member.told(now).map(move |told| (place, told)));
    // Futures before the stream: a closure over what it lends would not be `Send` for a layer.
    let posts: Vec<_> = told
        .map(|(place, told)| async move {
            let knows = |shown_in: &Option<u64>| {
                shown_in.is_some_and(|shown| told.acknowledged_in.is_some_and(|own| own >= shown))
            };
            // Each hears of the changes in their order, and never of its own user.
            let unknown = news
                .iter()
                .filter(|(about, shown_in, _)| *about != place && !knows(shown_in));
            for (_, _, speech) in unknown {
                if !reached(services, told.client(), speech, now).await {
                    return;
                }
            }
        })
        .collect();
    in_flight(posts).await;
}

/// Waits for posts, so many at once.
async fn in_flight(posts: Vec<impl Future<Output = ()>>) {
    stream::iter(posts)
        .buffer_unordered(POST_CONCURRENCY)
        .for_each(std::future::ready)
        .await;
}

/// Acknowledges those who wait, with the roster as it is now, and then with the last event of a
/// channel that keeps it: one read more.
async fn acknowledge_all(
    services: &Services,
    of: &ChannelKey,
    members: &[&Member],
    plan: &Plan,
    answered: &mut Vec<Asked>,
    now: UnixMillis,
) {
    let refused = |place: &usize| plan.refused.iter().any(|(other, _)| other == place);
    let waiting: Vec<(usize, &Asked)> = members
        .iter()
        .enumerate()
        .filter(|(place, _)| !refused(place))
        .flat_map(|(place, member)| member.waiting().map(move |asked| (place, asked)))
        .collect();
    if waiting.is_empty() {
        return;
    }
    let acknowledged = Said::Acknowledged {
        channel: &of.channel,
        roster: Some(&plan.roster),
    };
    // Who is shown what it has missed gets the last event with that.
    let last = if waiting.iter().all(|(_, asked)| asked.resumes) {
        None
    } else {
        last_event(services, of, now).await
    };
    let last = last.as_ref().map(|last| last.said(&of.channel));
    let said = [Some(acknowledged), last];
    let speeches = &said.map(|said| said.map(|said| Speech::new(services.protocols, said)));
    let posts: Vec<_> = waiting
        .iter()
        .map(|&(place, asked)| async move {
            let client = members[place].asking(asked);
            let wanted = if asked.resumes {
                &speeches[..1]
            } else {
                speeches
            };
            for speech in wanted.iter().flatten() {
                if !reached(services, client, speech, now).await {
                    return;
                }
            }
        })
        .collect();
    in_flight(posts).await;
    answered.extend(waiting.into_iter().map(|(_, asked)| asked.clone()));
}

/// Whether an acknowledgement that carries a roster can be posted, in any voice.
fn fits(services: &Services, of: &ChannelKey, roster: &Roster) -> bool {
    let acknowledged = Said::Acknowledged {
        channel: &of.channel,
        roster: Some(roster),
    };
    let mut protocols = services.protocols.all();
    protocols.all(|(_, protocol)| (protocol.print)(&acknowledged).len() <= POST_MAX_BYTES)
}

/// Tells one client. `false`: it is gone, or stuck and closed, and is marked.
async fn reached(
    services: &Services,
    client: Client<'_>,
    speech: &Speech<'_>,
    now: UnixMillis,
) -> bool {
    let told = match speech.in_voice(client.voice) {
        Ok(payload) => post_or_mark(services, client.id, payload, now).await,
        Err(fault) => Err(fault),
    };
    match told {
        Ok(served) => served,
        Err(fault) => {
            log_fault!(error, fault, connection_id = %client.id, "not told");
            true
        }
    }
}

/// Notes what was told of those users that are `meant`, and what webhooks are to be told.
async fn note_some(
    services: &Services,
    of: &ChannelKey,
    rows: &[MemberRow],
    plan: &Plan,
    meant: impl Fn(usize) -> bool,
) -> Result<(), Fault> {
    let clock = crate::aws::now();
    let wants = |event: &Event| services.webhooks_want(of, event);
    let rows = rows.iter().enumerate();
    let notes = rows
        .filter(|(place, _)| meant(*place))
        .filter_map(|(place, row)| {
            let (come, gone) = (plan.come.contains(&place), plan.gone.contains(&place));
            let refused = plan.refused.iter().any(|(other, _)| *other == place);
            let told = come || gone || refused || !row.member.asked.is_empty();
            // What says nothing any more goes, too.
            let empty = !row.member.announced
                && row.member.connections.is_empty()
                && !is_back(row.gone_at, clock);
            let note = if come || (row.member.announced && !gone) {
                Told::There
            } else if gone && (wants(&removed(of, row)) || wants(&added(of, row))) {
                Told::GoneAt(clock)
            } else {
                Told::Gone
            };
            if come && !is_back(row.gone_at, clock) {
                services.happened_at(of, clock, added(of, row));
            }
            if gone {
                services.happened_at(of, clock, removed(of, row));
            }
            (told || empty).then_some((row, note))
        });
    let writes: Vec<_> = notes
        .map(|(row, note)| services.table.note_told(of, row, note))
        .collect();
    stream::iter(writes)
        .buffer_unordered(TABLE_CONCURRENCY)
        .try_collect()
        .await
}

fn added(of: &ChannelKey, row: &MemberRow) -> Event {
    Event::MemberAdded {
        channel: of.channel.clone(),
        user_id: row.member.user.id().to_owned(),
    }
}

fn removed(of: &ChannelKey, row: &MemberRow) -> Event {
    Event::MemberRemoved {
        channel: of.channel.clone(),
        user_id: row.member.user.id().to_owned(),
    }
}

/// Refuses those for whom there is no room, some at a time: the others are met at the next look.
async fn refuse_some(
    services: &Services,
    of: &ChannelKey,
    members: &[&Member],
    plan: &Plan,
    answered: &mut Vec<Asked>,
    now: UnixMillis,
) -> Result<(), Fault> {
    let some = plan.refused.iter().take(REFUSED_AT_ONCE);
    let refusals: Vec<_> = some
        .map(|(place, rejection)| refuse(services, of, members[*place], rejection, now))
        .collect();
    let refused: Vec<Vec<Asked>> = stream::iter(refusals)
        .buffer_unordered(TABLE_CONCURRENCY)
        .try_collect()
        .await?;
    answered.extend(refused.into_iter().flatten());
    Ok(())
}

/// Tells a user's connections that there is no room, and takes back what their joins have written.
/// They are told first: after a crash they are told once more rather than acknowledged.
async fn refuse(
    services: &Services,
    of: &ChannelKey,
    member: &Member,
    rejection: &Rejection,
    now: UnixMillis,
) -> Result<Vec<Asked>, Fault> {
    let refused = Said::NotSubscribed {
        channel: of.channel.as_str(),
        rejection,
    };
    let speech = Speech::new(services.protocols, refused);
    for asked in &member.asked {
        reached(services, member.asking(asked), &speech, now).await;
    }
    for connection in &member.connections {
        let id = &connection.id;
        if let Some(own) = services.table.own_row(id, &of.channel).await? {
            let subscriber = Subscriber {
                of,
                shard: own.shard,
                id,
            };
            if services
                .table
                .delete_subscriber(subscriber, Written::Ever)
                .await?
            {
                count_out(services, of, None).await;
            }
            services.table.delete_own(id, &of.channel).await?;
        }
        services
            .table
            .leave_member(of, member.user.id(), id, Written::Ever)
            .await?;
    }
    Ok(member.asked.clone())
}
