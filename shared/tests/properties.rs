//! What holds for every input, tried on inputs that proptest makes up and, when one fails, makes
//! small. `PROPTEST_CASES` says on how many.

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use shared::model::error::Rejection;

#[path = "properties/bodies.rs"]
mod bodies;
#[path = "properties/calls.rs"]
mod calls;
#[path = "properties/channels.rs"]
mod channels;
#[path = "properties/frames.rs"]
mod frames;
#[path = "properties/inputs.rs"]
mod inputs;
#[path = "properties/polls.rs"]
mod polls;
#[path = "properties/signatures.rs"]
mod signatures;
#[path = "properties/users.rs"]
mod users;

/// Nothing is kept between runs: a case that fails becomes a test beside what it broke.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// What must succeed.
fn must<T>(result: Result<T, impl std::fmt::Display>) -> Result<T, TestCaseError> {
    result.map_err(|error| TestCaseError::fail(error.to_string()))
}

/// Bytes of a refusal's text: whatever was sent, it is no echo of it.
const REFUSAL_MAX_BYTES: usize = 2_048;

/// A rejection says something, briefly, and its status and its code are of those there are.
fn is_told(rejection: &Rejection) -> TestCaseResult {
    let text = rejection.to_string();
    prop_assert!(text.len() > 10, "{text:?}");
    prop_assert!(text.len() <= REFUSAL_MAX_BYTES, "{} bytes", text.len());
    prop_assert!((400..500).contains(&rejection.status()));
    prop_assert!(
        rejection
            .code()
            .is_none_or(|code| (4_000..4_400).contains(&code))
    );
    Ok(())
}
