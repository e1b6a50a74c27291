//! Fields of a JSON object as they are taken out of it, and what is wrong with them.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

/// One app's fields as they are taken out of its JSON, and what is wrong with them.
pub(crate) struct Fields<'a> {
    /// Whose they are.
    pub(crate) of: String,
    /// Those that are not taken out yet.
    pub(crate) fields: Map<String, Value>,
    /// Where problems go.
    pub(crate) problems: &'a mut Vec<String>,
}

impl Fields<'_> {
    pub(crate) fn problem(&mut self, problem: impl std::fmt::Display) {
        self.problems.push(format!("{}: {problem}", self.of));
    }

    pub(crate) fn text(&mut self, name: &str) -> String {
        match self.fields.remove(name) {
            Some(Value::String(text)) => text,
            Some(_) | None => {
                self.problem(format_args!("{name} is missing or no string"));
                String::new()
            }
        }
    }

    pub(crate) fn optional_text(&mut self, name: &str) -> String {
        if self.fields.contains_key(name) {
            self.text(name)
        } else {
            String::new()
        }
    }

    /// What nobody has taken out is no setting.
    pub(crate) fn refuse_others(&mut self) {
        let unknown: Vec<String> = self.fields.keys().cloned().collect();
        for name in unknown {
            self.problem(format_args!("there is no setting {name}"));
        }
    }

    pub(crate) fn identifier(&mut self, name: &str) -> String {
        let text = self.text(name);
        if !is_identifier(&text) {
            self.problem(format_args!("{name} is 1 to 64 of A-Z a-z 0-9 _ -"));
        }
        text
    }

    pub(crate) fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.fields.remove(name) {
            None => default,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.problem(format_args!("{name} is true or false"));
                default
            }
        }
    }

    pub(crate) fn number(&mut self, name: &str, default: u64, allowed: RangeInclusive<u64>) -> u64 {
        match self.fields.remove(name) {
            None => default,
            Some(value) => match value.as_u64().filter(|number| allowed.contains(number)) {
                Some(number) => number,
                None => {
                    let (least, most) = allowed.into_inner();
                    self.problem(format_args!("{name} is a number from {least} to {most}"));
                    default
                }
            },
        }
    }

    pub(crate) fn size(&mut self, name: &str, default: usize) -> usize {
        // The default is also the most: what stands behind it holds no more.
        let number = self.number(name, default as u64, 1..=default as u64);
        usize::try_from(number).unwrap_or(default)
    }
}

/// Ids and keys stand in paths and in the table's keys, where `/` separates.
fn is_identifier(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
