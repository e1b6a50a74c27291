//! A connection from its beginning to its end: admission, its frames one by one, its end, and what the reaper
//! finishes.

pub mod admission;
pub mod end;
pub mod reap;
pub mod receive;
