//! The one account and the one region that everything here belongs to. They appear in ARNs, in
//! queue URLs and in events.

/// The region.
pub const REGION: &str = "us-east-1";
/// The account's id.
pub const ACCOUNT_ID: &str = "123456789012";
/// The id of the APIs in every event.
pub const API_ID: &str = "local";
