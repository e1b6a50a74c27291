//! The ways in which a good history is broken.

use super::{any, end_of, got_and_stayed, insert_at, shown_at, steps};
use crate::storm::history::{Entry, Micros, Reading, Row, SECOND, Shown, Step, What};

pub(super) fn a_lost_post(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = got_and_stayed(history, random) else {
        return false;
    };
    history.remove(n);
    true
}

pub(super) fn a_duplicate(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let resumes = |history: &[Entry], conn| {
        steps(history).any(|(_, of, step)| {
            of == conn && matches!(step, Step::Subscribes { after: Some(_), .. })
        })
    };
    let Some(n) = any(history, random, |_, conn, step| {
        matches!(step, Step::Got { channel, .. } if !channel.contains("cache"))
            && !resumes(history, conn)
    }) else {
        return false;
    };
    let again = history[n].what.clone();
    insert_at(history, n + 1, again);
    true
}

#[expect(clippy::ptr_arg, reason = "all of them take the same")]
pub(super) fn a_swapped_order(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let gots: Vec<(usize, u32, String)> = steps(history)
        .filter_map(|(n, conn, step)| match step {
            Step::Got {
                channel,
                serial: Some(_),
                ..
            } if !channel.contains("cache") => Some((n, conn, channel.clone())),
            _ => None,
        })
        .collect();
    let pairs: Vec<(usize, usize)> = gots
        .iter()
        .enumerate()
        .filter_map(|(place, (n, conn, channel))| {
            let mut later = gots[place + 1..].iter();
            let (next, _, _) = later.find(|(_, of, other)| of == conn && other == channel)?;
            Some((*n, *next))
        })
        .collect();
    let Some((one, other)) = random.choice(pairs) else {
        return false;
    };
    let kept = history[one].what.clone();
    history[one].what = history[other].what.clone();
    history[other].what = kept;
    true
}

pub(super) fn a_ghost_in_the_list(history: &mut Vec<Entry>, _: &mut fastrand::Rng) -> bool {
    for entry in history {
        if let What::Shown {
            shown: Shown::Users { users, .. },
            ..
        } = &mut entry.what
        {
            users.push("1/nobody".to_owned());
            return true;
        }
    }
    false
}

pub(super) fn a_ghost_on_a_roster(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    // What tells of the last going of somebody who does not come back.
    let Some(n) = any(history, random, |n, conn, step| {
        let Step::Removed { channel, user } = step else {
            return false;
        };
        let again = steps(&history[n + 1..]).any(|(_, of, step)| match step {
            Step::Added { user: other, .. } => of == conn && other == user,
            Step::Acknowledged { channel: other, .. } => of == conn && other == channel,
            _ => false,
        });
        !again && end_of(history, n, conn, channel) > calm(history)
    }) else {
        return false;
    };
    history.remove(n);
    true
}

fn calm(history: &[Entry]) -> Micros {
    let settled = history
        .iter()
        .position(|entry| matches!(&entry.what, What::Begins(_)));
    settled.map_or(0, |n| history[n].at)
}

pub(super) fn somebody_missing(history: &mut Vec<Entry>, _: &mut fastrand::Rng) -> bool {
    for entry in history {
        if let What::Shown {
            shown: Shown::Users { users, .. },
            ..
        } = &mut entry.what
        {
            return users.pop().is_some();
        }
    }
    false
}

pub(super) fn a_leaked_row(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = shown_at(history, |_| true) else {
        return false;
    };
    let Some(gone) = any(history, random, |_, _, step| matches!(step, Step::Leaves)) else {
        return false;
    };
    let What::Connection { conn, .. } = history[gone].what else {
        return false;
    };
    if history[gone].at > history[n].at {
        return false;
    }
    let row = Row {
        name: "subs/1/a/0".to_owned(),
        socket_id: format!("{conn}.{conn}"),
        mark: false,
    };
    insert_at(history, n, What::Row(row));
    true
}

pub(super) fn seen_without_rights(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = any(
        history,
        random,
        |_, _, step| matches!(step, Step::Got { channel, .. } if channel == "1/private-b"),
    ) else {
        return false;
    };
    let What::Connection { step, conn } = history[n].what.clone() else {
        return false;
    };
    let stranger = steps(&history[..n]).find(|(_, of, step)| {
        *of != conn
            && matches!(step, Step::Greeted { .. })
            && end_of(history, 0, *of, "") > history[n].at
    });
    let Some((_, conn, _)) = stranger else {
        return false;
    };
    let asked = steps(&history[..n]).any(|(_, of, step)| {
        of == conn && matches!(step, Step::Subscribes { channel, .. } if channel == "1/private-b")
    });
    insert_at(history, n + 1, What::Connection { conn, step });
    !asked
}

pub(super) fn an_event_of_the_other_app(
    history: &mut Vec<Entry>,
    random: &mut fastrand::Rng,
) -> bool {
    let Some(n) = any(
        history,
        random,
        |_, _, step| matches!(step, Step::Got { channel, .. } if channel == "2/a"),
    ) else {
        return false;
    };
    let Some(other) = any(
        &history[n..],
        random,
        |_, _, step| matches!(step, Step::Got { channel, .. } if channel == "1/a"),
    ) else {
        return false;
    };
    let What::Connection {
        step: Step::Got { event, serial, .. },
        ..
    } = history[n].what.clone()
    else {
        return false;
    };
    let What::Connection { conn, .. } = history[n + other].what else {
        return false;
    };
    let step = Step::Got {
        channel: "1/a".to_owned(),
        event,
        serial,
    };
    insert_at(history, n + other + 1, What::Connection { conn, step });
    true
}

pub(super) fn a_reader_that_skips(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let places: Vec<usize> = history
        .iter()
        .enumerate()
        .filter_map(|(n, entry)| match &entry.what {
            What::Reader {
                step: Reading::Read { .. },
                ..
            } => Some(n),
            _ => None,
        })
        .collect();
    let Some(n) = random.choice(places) else {
        return false;
    };
    history.remove(n);
    true
}

pub(super) fn an_event_that_is_not_in_the_log(
    history: &mut Vec<Entry>,
    random: &mut fastrand::Rng,
) -> bool {
    for entry in history {
        if let What::Shown {
            shown: Shown::Log { events, .. },
            ..
        } = &mut entry.what
            && !events.is_empty()
        {
            events.remove(random.usize(..events.len()));
            return true;
        }
    }
    false
}

pub(super) fn a_count_that_drifts(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let up = random.bool();
    for entry in history {
        if let What::Shown {
            shown: Shown::Count { count, .. },
            ..
        } = &mut entry.what
        {
            if !up && *count == 0 {
                continue;
            }
            *count = if up { *count + 1 } else { *count - 1 };
            return true;
        }
    }
    false
}

pub(super) fn a_channel_that_is_never_vacated(
    history: &mut Vec<Entry>,
    _: &mut fastrand::Rng,
) -> bool {
    for entry in history {
        if let What::Hook(hook) = &mut entry.what
            && hook.name == "channel_vacated"
        {
            hook.name = "channel_occupied".to_owned();
            return true;
        }
    }
    false
}

pub(super) fn an_answer_that_never_comes(
    history: &mut Vec<Entry>,
    random: &mut fastrand::Rng,
) -> bool {
    let Some(n) = any(history, random, |n, conn, step| {
        let Step::Acknowledged { channel, .. } = step else {
            return false;
        };
        let once = steps(history).filter(|(_, of, step)| {
            *of == conn && matches!(step, Step::Acknowledged { channel: of, .. } | Step::Unsubscribes { channel: of } if of == channel)
        });
        once.count() == 1 && end_of(history, n, conn, channel) > history[n].at + 60 * SECOND
    }) else {
        return false;
    };
    history.remove(n);
    true
}

pub(super) fn a_refusal_that_does_not_stand(
    history: &mut Vec<Entry>,
    random: &mut fastrand::Rng,
) -> bool {
    let Some(n) = any(history, random, |_, _, step| {
        matches!(step, Step::Acknowledged { .. })
    }) else {
        return false;
    };
    let What::Connection {
        conn,
        step: Step::Acknowledged { channel, .. },
    } = history[n].what.clone()
    else {
        return false;
    };
    insert_at(
        history,
        n,
        What::Connection {
            conn,
            step: Step::Refused {
                channel,
                status: 403,
            },
        },
    );
    true
}

pub(super) fn missed_while_away(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = any(history, random, |n, conn, step| {
        let Step::Got {
            channel,
            serial: Some(serial),
            ..
        } = step
        else {
            return false;
        };
        // It is shown what was published while it was not there.
        let behind = steps(&history[..n]).any(|(_, of, step)| {
            of == conn && matches!(step, Step::Subscribes { channel: of, after: Some(after), .. } if of == channel && after < serial)
        });
        // A channel that keeps its last event may show it later all the same.
        let kept = channel.contains("cache");
        behind && !kept && end_of(history, n, conn, channel) > history[n].at + 30 * SECOND
    }) else {
        return false;
    };
    history.remove(n);
    true
}

#[expect(clippy::ptr_arg, reason = "all of them take the same")]
pub(super) fn an_event_of_nobodys(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = any(history, random, |_, _, step| {
        matches!(
            step,
            Step::Got {
                serial: Some(_),
                ..
            }
        )
    }) else {
        return false;
    };
    if let What::Connection {
        step: Step::Got { event, .. },
        ..
    } = &mut history[n].what
    {
        *event += 1_000_000;
    }
    true
}
