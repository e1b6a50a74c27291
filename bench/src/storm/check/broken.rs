//! Short histories, each with one thing wrong that the long ones of `injected` do not have.

mod clients;
mod publishing;

use super::checker::check;
use crate::storm::history::{Cost, Entry, Facts, Hook, Micros, Part, Row, Step, What};

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
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "few seconds"
    )]
    let at = |secs: f64| (secs * 1e6) as Micros;
    let entry = |(secs, what)| Entry { at: at(secs), what };
    [(0.0, facts())]
        .into_iter()
        .chain(what)
        .map(entry)
        .collect()
}

fn on(conn: u32, step: Step) -> What {
    What::Connection { conn, step }
}

/// A connection that is let in.
fn comes(conn: u32) -> Vec<(f64, What)> {
    let opens = Step::Opens {
        client: conn,
        app: "1".to_owned(),
        may: true,
    };
    let greeted = Step::Greeted {
        socket_id: format!("{conn}.{conn}"),
    };
    vec![(0.1, on(conn, opens)), (0.2, on(conn, greeted))]
}

/// What is told of a channel that somebody is on.
fn occupied(channel: &str) -> (f64, What) {
    let (name, channel) = ("channel_occupied".to_owned(), channel.to_owned());
    (
        5.0,
        What::Hook(Hook {
            name,
            channel,
            user: None,
            time_ms: 1,
            signed: true,
        }),
    )
}

fn rules(what: Vec<(f64, What)>) -> Vec<&'static str> {
    let mut rules: Vec<&str> = check(&history(what))
        .iter()
        .map(|violation| violation.rule)
        .collect();
    rules.dedup();
    rules
}

#[test]
fn what_an_action_must_not_cost_a_row_that_is_nobodys_a_secret_and_a_forged_webhook() {
    let cost = |writes| {
        let action = "connect".to_owned();
        What::Cost(Cost {
            action,
            writes,
            reads: 0,
            read_units: 0.0,
            posts: 1,
            asked: Vec::new(),
        })
    };
    assert_eq!(rules(vec![(1.0, cost(1))]), [""; 0]);
    assert_eq!(rules(vec![(1.0, cost(2))]), ["too-dear"]);
    let row = |mark| {
        What::Row(Row {
            name: "a row".to_owned(),
            socket_id: "9.9".to_owned(),
            mark,
        })
    };
    let settled = || (1.0, What::Begins(Part::Settled));
    assert_eq!(rules(vec![settled(), (2.0, row(true))]), [""; 0]);
    assert_eq!(rules(vec![settled(), (2.0, row(false))]), ["row-of-nobody"]);
    let (line, secret) = ("a line".to_owned(), "a token".to_owned());
    assert_eq!(
        rules(vec![(1.0, What::Leaked { line, secret })]),
        ["secret-in-a-log"]
    );
    let hook = |signed| {
        let (name, channel) = ("cache_miss".to_owned(), "1/cache-d".to_owned());
        What::Hook(Hook {
            name,
            channel,
            user: None,
            time_ms: 1,
            signed,
        })
    };
    assert_eq!(rules(vec![(1.0, hook(true))]), [""; 0]);
    assert_eq!(rules(vec![(1.0, hook(false))]), ["hook"]);
}
