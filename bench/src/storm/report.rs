//! What is printed of a storm: what it was, and of each rule that was broken the first violations, with the shortest
//! history in which they can be seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::check::violation::{Violation, seconds};
use super::history::{Entry, Micros, SECOND, What};
use super::shrink;

/// Violations of one rule that are shown in full.
const SHOWN_MAX: usize = 1;
/// Entries of a history that are shown.
const ENTRIES_MAX: usize = 40;
/// Characters of a line that are shown, and of the rules of a window.
const LINE_MAX: usize = 260;
const RULES_MAX: usize = 200;
/// How far around a violation faults are shown that were in force.
const AROUND: Micros = 3 * SECOND;

/// All violations of a history, as text.
pub(crate) fn print(history: &[Entry], violations: &[Violation], again: &str) -> String {
    let mut text = String::new();
    let mut by_rule: BTreeMap<&str, Vec<&Violation>> = BTreeMap::new();
    for violation in violations {
        by_rule.entry(violation.rule).or_default().push(violation);
    }
    for (rule, violations) in by_rule {
        let _ = writeln!(text, "  {rule}: {}", violations.len());
        for violation in violations.iter().take(SHOWN_MAX) {
            let _ = writeln!(text, "    expected: {}", violation.expected);
            let _ = writeln!(text, "    saw:      {}", violation.saw);
            let _ = writeln!(text, "    again:    {again}");
            for line in faults_around(history, violation.at) {
                let _ = writeln!(text, "    in force: {line}");
            }
            let short = shrink::shortest(history, violation);
            let _ = writeln!(
                text,
                "    the shortest history, of {} entries:",
                history.len()
            );
            for entry in short.iter().take(ENTRIES_MAX) {
                let _ = writeln!(
                    text,
                    "      {:>10}  {}",
                    seconds(entry.at),
                    line(&entry.what)
                );
            }
            if short.len() > ENTRIES_MAX {
                let _ = writeln!(text, "      … and {} more", short.len() - ENTRIES_MAX);
            }
        }
    }
    text
}

/// An entry on one line.
fn line(what: &What) -> String {
    let text = match what {
        What::Connection { conn, step } => format!("connection {conn} {step:?}"),
        What::Reader { reader, step } => format!("reader {reader} {step:?}"),
        other => format!("{other:?}"),
    };
    let mut short: String = text.chars().take(LINE_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The faults that were in force around a time.
fn faults_around(history: &[Entry], at: Micros) -> Vec<String> {
    let faults: Vec<(Micros, &str)> = history
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Faults { rules, .. } => Some((entry.at, rules.as_str())),
            _ => None,
        })
        .collect();
    let mut lines = Vec::new();
    for (n, (began, rules)) in faults.iter().enumerate() {
        let ended = faults.get(n + 1).map_or(Micros::MAX, |(at, _)| *at);
        let is_near = *began <= at + AROUND && ended.saturating_add(AROUND) >= at;
        if is_near && *rules != "[]" {
            let rules: String = rules.chars().take(RULES_MAX).collect();
            lines.push(format!(
                "{} to {}: {rules}",
                seconds(*began),
                seconds(ended)
            ));
        }
    }
    lines
}
