//! What makes a repeated call known as one.

use sha2::{Digest as _, Sha256};

use crate::model::call::Idempotency;
use crate::model::error::Rejection;
use crate::model::limits::IDEMPOTENCY_KEY_MAX_CHARS;

/// What a call says that may name a key in its body and one in its header. `request` is all that
/// it asks for.
///
/// # Errors
/// [`Rejection::IdempotencyKey`]; [`Rejection::IdempotencyKeys`] for two that differ.
pub(super) fn of_call(
    body: Option<&str>,
    header: Option<&str>,
    request: &[&[u8]],
) -> Result<Option<Idempotency>, Rejection> {
    match (body, header) {
        (Some(body), Some(header)) if body != header => Err(Rejection::IdempotencyKeys),
        (Some(key), _) | (None, Some(key)) => new(key, request).map(Some),
        (None, None) => Ok(None),
    }
}

/// The same with a key of 1 to 128 characters of visible ASCII.
pub(super) fn new(key: &str, request: &[&[u8]]) -> Result<Idempotency, Rejection> {
    let is_key = (1..=IDEMPOTENCY_KEY_MAX_CHARS).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_key {
        return Err(Rejection::IdempotencyKey);
    }
    let mut digest = Sha256::new();
    for part in request {
        // Where one part ends is part of what is said.
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    Ok(Idempotency::new(
        hex::encode(Sha256::digest(key)),
        hex::encode(digest.finalize()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii() {
        let key = |text: &str| new(text, &[]);
        assert!(key("53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa").is_ok());
        assert!(key("!").is_ok() && key(&"~".repeat(128)).is_ok());
        for text in ["", " ", "a b", "\u{e9}", "a\n", "\u{7f}", &"k".repeat(129)] {
            assert_eq!(key(text), Err(Rejection::IdempotencyKey), "{text:?}");
        }
    }

    #[test]
    fn body_and_header_name_one_key() {
        let of = |body, header| of_call(body, header, &[]);
        assert_eq!(of(None, None), Ok(None));
        let one = new("a", &[]).map(Some);
        for (body, header) in [(Some("a"), None), (None, Some("a")), (Some("a"), Some("a"))] {
            assert_eq!(of(body, header), one);
        }
        assert_eq!(of(Some("a"), Some("b")), Err(Rejection::IdempotencyKeys));
        assert_eq!(of(None, Some("")), Err(Rejection::IdempotencyKey));
    }

    #[test]
    fn another_request_is_another_whatever_its_parts_add_up_to() {
        let of = |key, request: &[&[u8]]| new(key, request).expect("a key");
        let (one, other) = (of("k", &[b"ab", b"c"]), of("k", &[b"a", b"bc"]));
        assert_eq!(one, of("k", &[b"ab", b"c"]));
        assert_eq!(one.key(), other.key());
        assert_ne!(one.request(), other.request());
        assert_ne!(of("a", &[]).key(), of("b", &[]).key());
    }
}
