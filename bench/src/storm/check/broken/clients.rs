//! What happens to clients: who is told something wrong, let in, closed, or left.

use super::{comes, occupied, on, rules};
use crate::storm::history::{Part, SECOND, Shown, Step, What};

fn signs_in(user: &str, watches: &[&str], may: bool) -> Step {
    let watches = watches.iter().map(|&user| user.to_owned()).collect();
    Step::SignsIn {
        user: user.to_owned(),
        watches,
        may,
    }
}

fn signed_in(user: &str) -> Step {
    Step::SignedIn {
        user: user.to_owned(),
    }
}

fn watched(online: &[&str], offline: &[&str]) -> Step {
    let list = |users: &[&str]| users.iter().map(|&user| user.to_owned()).collect();
    Step::Watched {
        online: list(online),
        offline: list(offline),
    }
}

#[test]
fn who_is_told_something_wrong_of_whom_it_watches() {
    let story = |word: Step| {
        let mut what = comes(1);
        what.extend(comes(2));
        what.push((1.0, on(1, signs_in("1/a", &["1/b"], true))));
        what.push((1.1, on(1, signed_in("1/a"))));
        what.push((2.0, on(2, signs_in("1/b", &[], true))));
        what.push((2.1, on(2, signed_in("1/b"))));
        what.push((2.2, on(1, word)));
        what.push((20.0, What::Begins(Part::Settled)));
        what
    };
    assert_eq!(rules(story(watched(&["1/b"], &[]))), [""; 0]);
    assert_eq!(rules(story(watched(&[], &["1/b"]))), ["watched"]);
    assert_eq!(rules(story(Step::Ponged)), ["watched"]);
}

#[test]
fn who_is_signed_in_as_somebody_else() {
    let mut what = comes(1);
    what.push((1.0, on(1, signs_in("1/a", &[], false))));
    what.push((1.1, on(1, signed_in("1/a"))));
    assert_eq!(rules(what), ["without-rights"]);
}

#[test]
fn who_is_let_in_and_may_not_be() {
    let opens = Step::Opens {
        client: 1,
        app: "1".to_owned(),
        may: false,
    };
    let greeted = Step::Greeted {
        socket_id: "1.1".to_owned(),
    };
    assert_eq!(
        rules(vec![(1.0, on(1, opens)), (1.1, on(1, greeted))]),
        ["without-rights"]
    );
}

fn faults(kinds: &[&str]) -> What {
    let kinds = kinds.iter().map(|&kind| kind.to_owned()).collect();
    What::Faults {
        kinds,
        rules: String::new(),
    }
}

#[test]
fn who_is_closed_because_the_account_is_throttled() {
    let story = |kinds: &[&str]| {
        let mut what = comes(1);
        what.push((20.0, faults(kinds)));
        what.push((22.0, faults(&[])));
        what.push((22.1, on(1, Step::Closed { code: 1000 })));
        what
    };
    assert_eq!(rules(story(&["throttle-one"])), [""; 0]);
    assert_eq!(rules(story(&["throttle-all", "kills"])), [""; 0]);
    assert_eq!(
        rules(story(&["throttle-all"])),
        ["closed-for-a-throttled-account"]
    );
}

#[test]
fn who_stays_although_its_user_was_ended() {
    let story = |ending: Step| {
        let mut what = comes(1);
        what.push((1.0, on(1, signs_in("1/a", &[], true))));
        what.push((1.1, on(1, signed_in("1/a"))));
        what.push((
            2.0,
            What::Terminates {
                call: 1,
                user: "1/a".to_owned(),
            },
        ));
        what.push((
            2.1,
            What::Answered {
                call: 1,
                status: 200,
            },
        ));
        what.push((2.2, on(1, ending)));
        what.push((60.0, on(1, Step::Ponged)));
        what
    };
    assert_eq!(rules(story(Step::Closed { code: 1000 })), [""; 0]);
    assert_eq!(rules(story(Step::Ponged)), ["not-ended"]);
}

#[test]
fn who_is_never_greeted_or_hears_what_nobody_understands() {
    let opens = || {
        on(
            1,
            Step::Opens {
                client: 1,
                app: "1".to_owned(),
                may: true,
            },
        )
    };
    let later = on(1, Step::Ponged);
    assert_eq!(rules(vec![(1.0, opens()), (60.0, later)]), ["not-greeted"]);
    let mut what = comes(1);
    what.push((
        1.0,
        on(
            1,
            Step::Strange {
                text: "{}".to_owned(),
            },
        ),
    ));
    assert_eq!(rules(what), ["strange"]);
}

#[test]
fn what_a_client_says_in_the_calm_and_another_does_not_hear() {
    let channel = || "1/private-b".to_owned();
    let story = |heard: bool| {
        let mut what = vec![occupied("1/private-b")];
        for conn in 1..=2 {
            what.extend(comes(conn));
            let subscribes = Step::Subscribes {
                channel: channel(),
                after: None,
                user: None,
                may: true,
            };
            what.push((1.0, on(conn, subscribes)));
            what.push((
                1.1,
                on(
                    conn,
                    Step::Acknowledged {
                        channel: channel(),
                        roster: None,
                    },
                ),
            ));
        }
        what.push((20.0, What::Begins(Part::Settled)));
        what.push((
            21.0,
            on(
                1,
                Step::Says {
                    channel: channel(),
                    event: 7,
                },
            ),
        ));
        if heard {
            what.push((
                21.1,
                on(
                    2,
                    Step::Got {
                        channel: channel(),
                        event: 7,
                        serial: None,
                    },
                ),
            ));
        }
        what.push((30.0, What::Begins(Part::Leaving)));
        what
    };
    assert_eq!(rules(story(true)), [""; 0]);
    assert_eq!(rules(story(false)), ["not-heard"]);
}

#[test]
fn too_many_users_and_wrong_counts_at_clients() {
    let channel = || "1/a".to_owned();
    let story = |told: u64| {
        let mut what = comes(1);
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
        what.push(occupied("1/a"));
        what.push((
            1.2,
            on(
                1,
                Step::Counted {
                    channel: channel(),
                    count: told,
                },
            ),
        ));
        what.push((20.0, What::Begins(Part::Settled)));
        let shown = Shown::Count {
            channel: channel(),
            count: 1,
        };
        what.push((
            21.0,
            What::Shown {
                since: 20 * SECOND,
                shown,
            },
        ));
        what
    };
    assert_eq!(rules(story(1)), [""; 0]);
    assert_eq!(rules(story(2)), ["told-a-wrong-count"]);
    let users = ["1/a", "1/b", "1/c"].map(str::to_owned).to_vec();
    let shown = Shown::Users {
        channel: "1/presence-c".to_owned(),
        users,
    };
    let what = vec![
        (20.0, What::Begins(Part::Settled)),
        (
            21.0,
            What::Shown {
                since: 20 * SECOND,
                shown,
            },
        ),
    ];
    assert!(rules(what).contains(&"too-many-members"));
}

#[test]
fn who_is_acknowledged_and_not_on_the_list() {
    let channel = || "1/presence-c".to_owned();
    let story = |leaves: bool, roster: &[&str]| {
        let mut what = comes(1);
        let subscribes = Step::Subscribes {
            channel: channel(),
            after: None,
            user: Some("1/a".to_owned()),
            may: true,
        };
        what.push((1.0, on(1, subscribes)));
        if leaves {
            let channel = channel();
            what.push((1.1, on(1, Step::Unsubscribes { channel })));
        }
        let roster = Some(roster.iter().map(|&user| user.to_owned()).collect());
        let channel = channel();
        what.push((1.2, on(1, Step::Acknowledged { channel, roster })));
        what
    };
    assert_eq!(rules(story(false, &["1/a", "1/b"])), [""; 0]);
    assert_eq!(rules(story(false, &["1/b"])), ["not-on-the-roster"]);
    // It has left before it was acknowledged.
    assert_eq!(rules(story(true, &["1/b"])), [""; 0]);
}
