//! Announcing on a presence channel: one look at who is there, and everything that follows from it.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! (1) those who cannot come are told and taken back, (2) the changes are told to those who are
//! there, (3) those who wait are acknowledged, (4) it is noted in the rows of the users it is about,
//! Connections that were found gone are marked. What was done before a
//! crash and is not noted is done once more by the next holder of the lease (`attend.rs`).

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::aws::Services;
use crate::aws::table::{ChannelKey, MemberRow, Subscriber, Told, Written};
use crate::history::last_event::last_event;
use crate::log::log_fault;
use crate::model::error::{Fault, Rejection};
use crate::model::limits::{POST_CONCURRENCY, POST_MAX_BYTES, TABLE_CONCURRENCY};
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
    /// Whether somebody was taken back, so that there is more to do.
    pub(crate) refused_some: bool,
}

/// Looks at who is there and tells what was not told yet. One query, a post for each that is told
/// something, and one write for each user that it is about. Only the holder of the channel's lease
/// does this.
///
/// # Errors
/// [`Fault`]: what was told and not noted is told once more.
pub(crate) async fn announce(
    services: &Services,
    of: &ChannelKey,
    after_crash: bool,
    now: UnixMillis,
    answered: &mut Vec<Asked>,
) -> Result<Announced, Fault> {
    let rows = services.table.members(of).await?;
    let members: Vec<&Member> = rows.iter().map(|row| &row.member).collect();
    let defaults = Settings::default();
    let settings = services
        .apps
        .by_id(&of.app_id)
        .map_or(&defaults, |app| app.settings());
    let max_members = settings.max_presence_members;
    let fits = |roster: &Roster| fits(services, of, roster);
    let plan = Plan::of(&members, fits, max_members, after_crash, now);

    for (place, rejection) in &plan.refused {
        refuse(services, of, members[*place], rejection, answered, now).await?;
    }
    tell_changes(services, of, &members, &plan, now).await;
    acknowledge_all(services, of, &members, &plan, answered, now).await;
    note_all(services, of, &rows, &plan).await?;
    Ok(Announced {
        members: plan.roster.len(),
        refused_some: !plan.refused.is_empty(),
    })
}

/// Tells who has come and who has gone to everybody else who has been acknowledged.
async fn tell_changes(
    services: &Services,
    of: &ChannelKey,
    members: &[&Member],
    plan: &Plan,
    now: UnixMillis,
) {
    let removed = plan.gone.iter().map(|&place| {
        let left = Said::Left {
            channel: &of.channel,
            user_id: members[place].user.id(),
        };
        (place, Speech::new(services.protocols, left))
    });
    let added = plan.come.iter().map(|&place| {
        let joined = Said::Joined {
            channel: &of.channel,
            user: &members[place].user,
        };
        (place, Speech::new(services.protocols, joined))
    });
    let news: &Vec<(usize, Speech<'_>)> = &removed.chain(added).collect();
    if news.is_empty() {
        return;
    }
    let told = members
        .iter()
        .enumerate()
        .flat_map(|(place, member)| member.told(now).map(move |client| (place, client)));
    // Futures before the stream: a closure over what it lends would not be `Send` for a layer.
    let posts: Vec<_> = told
        .map(|(place, client)| async move {
            // Each hears of the changes in their order, and never of its own user.
            for (_, speech) in news.iter().filter(|(about, _)| *about != place) {
                if !reached(services, client, speech, now).await {
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
        .flat_map(|(place, member)| member.asked.iter().map(move |asked| (place, asked)))
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

/// Notes what was told of each user that anything was told of, and what webhooks are to be told.
async fn note_all(
    services: &Services,
    of: &ChannelKey,
    rows: &[MemberRow],
    plan: &Plan,
) -> Result<(), Fault> {
    let clock = crate::aws::now();
    let wants = |event: &Event| services.webhooks_want(of, event);
    let notes = rows.iter().enumerate().filter_map(|(place, row)| {
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

/// Tells a user's connections that there is no room, and takes back what their joins have written.
/// They are told first: after a crash they are told once more rather than acknowledged.
async fn refuse(
    services: &Services,
    of: &ChannelKey,
    member: &Member,
    rejection: &Rejection,
    answered: &mut Vec<Asked>,
    now: UnixMillis,
) -> Result<(), Fault> {
    let refused = Said::NotSubscribed {
        channel: of.channel.as_str(),
        rejection,
    };
    let speech = Speech::new(services.protocols, refused);
    for asked in &member.asked {
        reached(services, member.asking(asked), &speech, now).await;
        answered.push(asked.clone());
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
    Ok(())
}
