//! All rules, held against a history.

use super::books::Books;
use super::violation::Violation;
use super::{
    answers, closing, counting, delivery, hooks, leftovers, order, presence, reading, resuming,
    rights, twice, watching,
};
use crate::storm::history::Entry;

/// Everything in a history that should not be so.
pub(crate) fn check(history: &[Entry]) -> Vec<Violation> {
    let books = Books::of(history);
    let rules: [fn(&Books<'_>) -> Vec<Violation>; 13] = [
        delivery::check,
        resuming::check,
        twice::check,
        order::check,
        rights::check,
        reading::check,
        answers::check,
        presence::check,
        counting::check,
        watching::check,
        hooks::check,
        closing::check,
        leftovers::check,
    ];
    rules.iter().flat_map(|rule| rule(&books)).collect()
}
