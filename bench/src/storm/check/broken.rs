//! Short histories, each with one thing wrong that the long ones of `injected` do not have.

use super::check;
use crate::storm::history::{
    Cost, Entry, Facts, Hook, Micros, Part, Publish, Row, SECOND, Shown, Step, What,
};

fn facts() -> What {
    What::Facts(Facts {
        inline_max: 1_000,
        per_shard: 1_000,
        members_max: 2,
        featured: "1".to_owned(),
    })
}

/// A history: what happens, by seconds.
fn history(what: Vec<(f64, What)>) -> Vec<Entry> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few seconds")]
    let at = |secs: f64| (secs * 1e6) as Micros;
    let entry = |(secs, what)| Entry { at: at(secs), what };
    [(0.0, facts())].into_iter().chain(what).map(entry).collect()
}

fn on(conn: u32, step: Step) -> What {
    What::Connection { conn, step }
}

/// A connection that is let in.
fn comes(conn: u32) -> Vec<(f64, What)> {
    let opens = Step::Opens { client: conn, app: "1".to_owned(), may: true };
    let greeted = Step::Greeted { socket_id: format!("{conn}.{conn}") };
    vec![(0.1, on(conn, opens)), (0.2, on(conn, greeted))]
}

/// What is told of a channel that somebody is on.
fn occupied(channel: &str) -> (f64, What) {
    let (name, channel) = ("channel_occupied".to_owned(), channel.to_owned());
    (5.0, What::Hook(Hook { name, channel, user: None, time_ms: 1, signed: true }))
}

fn rules(what: Vec<(f64, What)>) -> Vec<&'static str> {
    let mut rules: Vec<&str> = check(&history(what)).iter().map(|violation| violation.rule).collect();
    rules.dedup();
    rules
}

fn signs_in(user: &str, watches: &[&str], may: bool) -> Step {
    let watches = watches.iter().map(|&user| user.to_owned()).collect();
    Step::SignsIn { user: user.to_owned(), watches, may }
}

fn signed_in(user: &str) -> Step {
    Step::SignedIn { user: user.to_owned() }
}

fn watched(online: &[&str], offline: &[&str]) -> Step {
    let list = |users: &[&str]| users.iter().map(|&user| user.to_owned()).collect();
    Step::Watched { online: list(online), offline: list(offline) }
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
    let opens = Step::Opens { client: 1, app: "1".to_owned(), may: false };
    let greeted = Step::Greeted { socket_id: "1.1".to_owned() };
    assert_eq!(rules(vec![(1.0, on(1, opens)), (1.1, on(1, greeted))]), ["without-rights"]);
}

fn publishes(event: u32, call: u32, keyed: bool) -> What {
    let channels = vec!["1/a".to_owned()];
    What::Publishes(Publish { call, event, channels, keyed, leaves_out: None })
}

fn log(events: Vec<(u64, u32)>) -> What {
    What::Shown { since: 60 * SECOND, shown: Shown::Log { channel: "1/a".to_owned(), events } }
}

#[test]
fn what_is_published_twice_or_under_one_serial() {
    let answered = |call| What::Answered { call, status: 200 };
    let retried = |log: What| {
        vec![
            (1.0, publishes(1, 1, true)),
            (1.5, What::Answered { call: 1, status: 500 }),
            (2.0, publishes(1, 2, true)),
            (2.5, answered(2)),
            (61.0, log),
        ]
    };
    assert_eq!(rules(retried(log(vec![(7, 1)]))), [""; 0]);
    assert_eq!(rules(retried(log(vec![(7, 1), (8, 1)]))), ["published-twice"]);
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
    let subscribes = Step::Subscribes { channel: channel(), after: None, user: None, may: true };
    what.push((1.0, on(1, subscribes)));
    what.push((1.1, on(1, Step::Acknowledged { channel: channel(), roster: None })));
    what.push((2.0, publishes(1, 1, false)));
    what.push((2.1, What::Answered { call: 1, status: 401 }));
    what.push((2.2, on(1, Step::Got { channel: channel(), event: 1, serial: Some(7) })));
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

fn faults(kinds: &[&str]) -> What {
    let kinds = kinds.iter().map(|&kind| kind.to_owned()).collect();
    What::Faults { kinds, rules: String::new() }
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
    assert_eq!(rules(story(&["throttle-all"])), ["closed-for-a-throttled-account"]);
}

#[test]
fn who_stays_although_its_user_was_ended() {
    let story = |ending: Step| {
        let mut what = comes(1);
        what.push((1.0, on(1, signs_in("1/a", &[], true))));
        what.push((1.1, on(1, signed_in("1/a"))));
        what.push((2.0, What::Terminates { call: 1, user: "1/a".to_owned() }));
        what.push((2.1, What::Answered { call: 1, status: 200 }));
        what.push((2.2, on(1, ending)));
        what.push((60.0, on(1, Step::Ponged)));
        what
    };
    assert_eq!(rules(story(Step::Closed { code: 1000 })), [""; 0]);
    assert_eq!(rules(story(Step::Ponged)), ["not-ended"]);
}

#[test]
fn who_is_never_greeted_or_hears_what_nobody_understands() {
    let opens = || on(1, Step::Opens { client: 1, app: "1".to_owned(), may: true });
    let later = on(1, Step::Ponged);
    assert_eq!(rules(vec![(1.0, opens()), (60.0, later)]), ["not-greeted"]);
    let mut what = comes(1);
    what.push((1.0, on(1, Step::Strange { text: "{}".to_owned() })));
    assert_eq!(rules(what), ["strange"]);
}

#[test]
fn what_a_client_says_in_the_calm_and_another_does_not_hear() {
    let channel = || "1/private-b".to_owned();
    let story = |heard: bool| {
        let mut what = vec![occupied("1/private-b")];
        for conn in 1..=2 {
            what.extend(comes(conn));
            let subscribes = Step::Subscribes { channel: channel(), after: None, user: None, may: true };
            what.push((1.0, on(conn, subscribes)));
            what.push((1.1, on(conn, Step::Acknowledged { channel: channel(), roster: None })));
        }
        what.push((20.0, What::Begins(Part::Settled)));
        what.push((21.0, on(1, Step::Says { channel: channel(), event: 7 })));
        if heard {
            what.push((21.1, on(2, Step::Got { channel: channel(), event: 7, serial: None })));
        }
        what.push((30.0, What::Begins(Part::Leaving)));
        what
    };
    assert_eq!(rules(story(true)), [""; 0]);
    assert_eq!(rules(story(false)), ["not-heard"]);
}

#[test]
fn what_an_action_must_not_cost_a_row_that_is_nobodys_a_secret_and_a_forged_webhook() {
    let cost = |writes| {
        let action = "connect".to_owned();
        What::Cost(Cost { action, writes, reads: 0, read_units: 0.0, posts: 1, asked: Vec::new() })
    };
    assert_eq!(rules(vec![(1.0, cost(1))]), [""; 0]);
    assert_eq!(rules(vec![(1.0, cost(2))]), ["too-dear"]);
    let row = |mark| What::Row(Row { name: "a row".to_owned(), socket_id: "9.9".to_owned(), mark });
    let settled = || (1.0, What::Begins(Part::Settled));
    assert_eq!(rules(vec![settled(), (2.0, row(true))]), [""; 0]);
    assert_eq!(rules(vec![settled(), (2.0, row(false))]), ["row-of-nobody"]);
    let (line, secret) = ("a line".to_owned(), "a token".to_owned());
    assert_eq!(rules(vec![(1.0, What::Leaked { line, secret })]), ["secret-in-a-log"]);
    let hook = |signed| {
        let (name, channel) = ("cache_miss".to_owned(), "1/cache-d".to_owned());
        What::Hook(Hook { name, channel, user: None, time_ms: 1, signed })
    };
    assert_eq!(rules(vec![(1.0, hook(true))]), [""; 0]);
    assert_eq!(rules(vec![(1.0, hook(false))]), ["hook"]);
}

#[test]
fn too_many_users_and_wrong_counts_at_clients() {
    let channel = || "1/a".to_owned();
    let story = |told: u64| {
        let mut what = comes(1);
        let subscribes = Step::Subscribes { channel: channel(), after: None, user: None, may: true };
        what.push((1.0, on(1, subscribes)));
        what.push((1.1, on(1, Step::Acknowledged { channel: channel(), roster: None })));
        what.push(occupied("1/a"));
        what.push((1.2, on(1, Step::Counted { channel: channel(), count: told })));
        what.push((20.0, What::Begins(Part::Settled)));
        let shown = Shown::Count { channel: channel(), count: 1 };
        what.push((21.0, What::Shown { since: 20 * SECOND, shown }));
        what
    };
    assert_eq!(rules(story(1)), [""; 0]);
    assert_eq!(rules(story(2)), ["told-a-wrong-count"]);
    let users = ["1/a", "1/b", "1/c"].map(str::to_owned).to_vec();
    let shown = Shown::Users { channel: "1/presence-c".to_owned(), users };
    let what = vec![(20.0, What::Begins(Part::Settled)), (21.0, What::Shown { since: 20 * SECOND, shown })];
    assert!(rules(what).contains(&"too-many-members"));
}
