//! From when to when a connection was on which channel, as far as its client can know.

use std::collections::BTreeMap;

use crate::storm::history::NEVER;
use crate::storm::history::{Micros, SECOND, Step};

/// How long what a resuming client missed may still be on its way when a function dies.
const RESUMING: Micros = 30 * SECOND;

/// A time on a channel: from an acknowledgement to whatever ended it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stay<'a> {
    pub(super) channel: &'a str,
    /// As whom, on a presence channel.
    pub(super) user: Option<&'a str>,
    /// The last serial that the client said to have.
    pub(super) after: Option<u64>,
    pub(super) asked_at: Micros,
    pub(super) acknowledged_at: Micros,
    pub(super) until: Micros,
}

/// A subscription that was asked for and not answered.
struct Asked<'a> {
    at: Micros,
    after: Option<u64>,
    user: Option<&'a str>,
    /// Whether the client left the channel since.
    left: bool,
}

/// What is so on one channel.
#[derive(Default)]
struct On<'a> {
    asked: Vec<Asked<'a>>,
    /// The stay that lasts, by its place.
    now: Option<usize>,
}

/// The stays of one connection.
pub(super) fn of<'a>(steps: &[(Micros, &'a Step)]) -> Vec<Stay<'a>> {
    let mut stays: Vec<Stay<'a>> = Vec::new();
    let mut channels: BTreeMap<&'a str, On<'a>> = BTreeMap::new();
    for &(at, step) in steps {
        match step {
            Step::Subscribes {
                channel,
                after,
                user,
                ..
            } => {
                let on = channels.entry(channel).or_default();
                // It is shown what it missed, and is on the channel again after that.
                if after.is_some()
                    && let Some(stay) = on.now.take()
                {
                    stays[stay].until = at;
                }
                on.asked.push(Asked {
                    at,
                    after: *after,
                    user: user.as_deref(),
                    left: false,
                });
            }
            Step::Unsubscribes { channel } => {
                let on = channels.entry(channel).or_default();
                for asked in &mut on.asked {
                    asked.left = true;
                }
                if let Some(stay) = on.now.take() {
                    stays[stay].until = at;
                }
            }
            Step::Acknowledged { channel, .. } => {
                let on = channels.entry(channel).or_default();
                acknowledge(&mut stays, on, channel, at);
            }
            Step::Refused { channel, .. } => {
                let on = channels.entry(channel).or_default();
                let asked_at = on.asked.first().map_or(at, |asked| asked.at);
                if !on.asked.is_empty() {
                    on.asked.remove(0);
                }
                if let Some(stay) = on.now.take() {
                    stays[stay].until = asked_at.max(stays[stay].acknowledged_at);
                }
            }
            // What was asked for may or may not have happened.
            Step::Failed => {
                for on in channels.values_mut() {
                    let doubtful = on.now.is_some_and(|stay| {
                        stays[stay].after.is_some() && stays[stay].asked_at + RESUMING > at
                    });
                    let asked_at = on.asked.first().map(|asked| asked.at);
                    on.asked.clear();
                    if (doubtful || asked_at.is_some())
                        && let Some(stay) = on.now.take()
                    {
                        let until = asked_at.unwrap_or(at);
                        stays[stay].until = until.max(stays[stay].acknowledged_at);
                    }
                }
            }
            Step::Leaves | Step::Closed { .. } => {
                for on in channels.values_mut() {
                    on.asked.clear();
                    if let Some(stay) = on.now.take() {
                        stays[stay].until = at;
                    }
                }
            }
            _ => {}
        }
    }
    stays
}

fn acknowledge<'a>(stays: &mut Vec<Stay<'a>>, on: &mut On<'a>, channel: &'a str, at: Micros) {
    // Of which of them this is the answer is not known: one of those before.
    if on.asked.iter().any(|asked| asked.left) {
        on.asked.remove(0);
        return;
    }
    let Some(last) = on.asked.pop() else {
        // Said once more.
        return;
    };
    on.asked.clear();
    match on.now {
        Some(stay) => stays[stay].user = last.user,
        None => {
            on.now = Some(stays.len());
            stays.push(Stay {
                channel,
                user: last.user,
                after: last.after,
                asked_at: last.at,
                acknowledged_at: at,
                until: NEVER,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribes(after: Option<u64>) -> Step {
        Step::Subscribes {
            channel: "1/a".to_owned(),
            after,
            user: None,
            may: true,
        }
    }

    fn unsubscribes() -> Step {
        Step::Unsubscribes {
            channel: "1/a".to_owned(),
        }
    }

    fn acknowledged() -> Step {
        Step::Acknowledged {
            channel: "1/a".to_owned(),
            roster: None,
        }
    }

    fn refused(status: u16) -> Step {
        Step::Refused {
            channel: "1/a".to_owned(),
            status,
        }
    }

    /// From when to when, of steps that come a second after another.
    fn stays(steps: &[Step]) -> Vec<(Micros, Micros)> {
        let steps: Vec<(Micros, &Step)> = (0..).step_by(1_000_000).zip(steps).collect();
        let stays = of(&steps).into_iter();
        let end = |until: Micros| {
            if until == NEVER {
                until
            } else {
                until / SECOND
            }
        };
        stays
            .map(|stay| (stay.acknowledged_at / SECOND, end(stay.until)))
            .collect()
    }

    #[test]
    fn a_stay_goes_from_an_acknowledgement_to_whatever_ends_it() {
        let begun = [subscribes(None), acknowledged()];
        let with = |more: &[Step]| stays(&[&begun[..], more].concat());
        assert_eq!(with(&[]), [(1, NEVER)]);
        assert_eq!(with(&[unsubscribes()]), [(1, 2)]);
        assert_eq!(with(&[Step::Leaves]), [(1, 2)]);
        assert_eq!(with(&[Step::Closed { code: 1000 }]), [(1, 2)]);
        // Said once more, and asked for once more.
        assert_eq!(with(&[acknowledged()]), [(1, NEVER)]);
        assert_eq!(with(&[subscribes(None), acknowledged()]), [(1, NEVER)]);
        // Whether it is still on is not known from when it asked.
        assert_eq!(with(&[subscribes(None), refused(503)]), [(1, 2)]);
        assert_eq!(with(&[subscribes(None), Step::Failed]), [(1, 2)]);
        assert_eq!(with(&[Step::Failed]), [(1, NEVER)]);
        // It is shown what it missed, and is on again.
        assert_eq!(
            with(&[subscribes(Some(7)), acknowledged()]),
            [(1, 2), (3, NEVER)]
        );
        // Leaving and joining in one go.
        assert_eq!(
            with(&[unsubscribes(), subscribes(None), acknowledged()]),
            [(1, 2), (4, NEVER)]
        );
    }

    #[test]
    fn what_was_left_before_it_was_acknowledged_is_no_stay() {
        let left = [subscribes(None), unsubscribes(), acknowledged()];
        assert_eq!(stays(&left), []);
        // Of two that were asked for, the first is answered first.
        let again = [
            subscribes(None),
            unsubscribes(),
            subscribes(None),
            acknowledged(),
            acknowledged(),
        ];
        assert_eq!(stays(&again), [(4, NEVER)]);
        assert_eq!(stays(&[acknowledged()]), []);
        assert_eq!(stays(&[subscribes(None), Step::Failed, acknowledged()]), []);
    }

    #[test]
    fn whoever_was_shown_what_it_missed_when_a_function_failed_may_be_kept_from_more() {
        let failed = [subscribes(Some(7)), acknowledged(), Step::Failed];
        assert_eq!(stays(&failed), [(1, 2)]);
    }
}
