//! What is published twice, or seen although it was refused, or fails for no reason.

use super::{comes, on, rules};
use crate::storm::history::{Part, Publish, SECOND, Shown, Step, What};

fn publishes(event: u32, call: u32, keyed: bool) -> What {
    let channels = vec!["1/a".to_owned()];
    What::Publishes(Publish {
        call,
        event,
        channels,
        keyed,
        leaves_out: None,
    })
}

fn log(events: Vec<(u64, u32)>) -> What {
    What::Shown {
        since: 60 * SECOND,
        shown: Shown::Log {
            channel: "1/a".to_owned(),
            events,
        },
    }
}

#[test]
fn what_is_published_twice_or_under_one_serial() {
    let answered = |call| What::Answered { call, status: 200 };
    let retried = |log: What| {
        vec![
            (1.0, publishes(1, 1, true)),
            (
                1.5,
                What::Answered {
                    call: 1,
                    status: 500,
                },
            ),
            (2.0, publishes(1, 2, true)),
            (2.5, answered(2)),
            (61.0, log),
        ]
    };
    assert_eq!(rules(retried(log(vec![(7, 1)]))), [""; 0]);
    assert_eq!(
        rules(retried(log(vec![(7, 1), (8, 1)]))),
        ["published-twice"]
    );
    let two = vec![
        (1.0, publishes(1, 1, false)),
        (1.1, answered(1)),
        (2.0, publishes(2, 2, false)),
        (2.1, answered(2)),
        (61.0, log(vec![(7, 1), (7, 2)])),
    ];
    assert_eq!(rules(two), ["one-serial-for-two"]);
}

#[test]
fn what_was_refused_and_is_seen() {
    let mut what = comes(1);
    let channel = || "1/a".to_owned();
    let subscribes = Step::Subscribes {
        channel: channel(),
        after: None,
        user: None,
        may: true,
    };
    what.push((1.0, on(1, subscribes)));
    what.push((
        1.1,
        on(
            1,
            Step::Acknowledged {
                channel: channel(),
                roster: None,
            },
        ),
    ));
    what.push((2.0, publishes(1, 1, false)));
    what.push((
        2.1,
        What::Answered {
            call: 1,
            status: 401,
        },
    ));
    what.push((
        2.2,
        on(
            1,
            Step::Got {
                channel: channel(),
                event: 1,
                serial: Some(7),
            },
        ),
    ));
    assert_eq!(rules(what), ["without-rights"]);
}

#[test]
fn what_fails_although_nothing_is_wrong_any_more() {
    let story = |status| {
        vec![
            (10.0, What::Begins(Part::Calm)),
            (30.0, publishes(1, 1, true)),
            (31.0, What::Answered { call: 1, status }),
        ]
    };
    assert_eq!(rules(story(409)), [""; 0]);
    assert_eq!(rules(story(500)), ["failed-in-the-calm"]);
    assert_eq!(rules(story(0)), ["failed-in-the-calm"]);
}
