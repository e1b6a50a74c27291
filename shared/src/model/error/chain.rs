//! An error in the log: what it is and what caused it, without any value that a caller sent.

use std::error::Error as StdError;

/// An error and everything that caused it, on one line, for the log. What a parser says of a value is
/// said without the value, which may be anybody's payload.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = said(error);
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&said(cause));
        source = cause.source();
    }
    line
}

fn said(error: &(dyn StdError + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        return unreadable(error);
    }
    if error.is::<serde_dynamo::Error>() {
        return without_values(&error.to_string());
    }
    error.to_string()
}

/// What is wrong with JSON and where, without repeating any of it.
#[must_use]
pub fn unreadable(error: &serde_json::Error) -> String {
    let problem = without_values(&error.to_string());
    format!(
        "{problem} (line {}, column {})",
        error.line(),
        error.column()
    )
}

/// What a parser says up to the first thing that it repeats. A field that is missing is ours.
fn without_values(problem: &str) -> String {
    let ours = problem.starts_with("missing field");
    let is_quote = |character| character == '"' || (character == '`' && !ours);
    match problem.find(is_quote) {
        Some(at) => format!("{}…", &problem[..at]),
        None => problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Fault;

    #[test]
    fn a_chain_names_every_cause_and_repeats_no_value() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "it is never made")]
        struct Shape {
            count: u64,
        }
        let line = |text: &str| {
            let source = serde_json::from_str::<Shape>(text).expect_err(text);
            chain(&Fault::Task(source.into()))
        };
        for text in [
            r#"{"count":"s3cret"}"#,
            r#"{"count":1,"s3cret"}"#,
            r#"["s3cret"]"#,
            r#""s3cret""#,
        ] {
            let line = line(text);
            assert!(line.starts_with("a queued task cannot be read: "), "{line}");
            assert!(!line.contains("s3cret"), "{line}");
        }
        assert!(line("{}").contains("missing field `count`"));
        assert!(line(r#"{"count":"s3cret"}"#).contains("line 1, column 17"));
    }
}
