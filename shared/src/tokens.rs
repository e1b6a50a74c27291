//! Issuing tokens, and ending the connections that a token admitted before. How a token is used, the
//! admission of connections and of readers says.

pub(crate) mod displaced;
pub mod issue;
