//! Headers and queries as events contain them.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A header's value as text, byte for byte.
pub(super) fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// One header as text; empty when absent.
#[must_use]
pub fn header(headers: &HeaderMap, name: HeaderName) -> String {
    headers.get(name).map(text).unwrap_or_default()
}

/// The parameters of a query, unescaped.
pub(super) fn query_pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}
