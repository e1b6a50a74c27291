//! Issuing tokens. How one is used, the admission of connections and of readers says.

pub mod issue;
