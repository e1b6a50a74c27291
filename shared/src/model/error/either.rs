//! Either family.

use super::fault::Fault;
use super::rejection::Rejection;

/// Either family.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}
