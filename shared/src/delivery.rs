//! Delivering one publication to all subscribers of a channel: at once, or through the queue, shard by shard. It
//! does not know who is present, who is signed in, or what a publication says.

mod dispatch;
mod fan_out;
mod growth;
mod shard;

pub(crate) use self::dispatch::{Dispatch, dispatch};
pub(crate) use self::fan_out::page_by_page;
pub use self::fan_out::{FanOut, Tally, deliver, fan_out, subscribers};
pub(crate) use self::growth::grown;
pub(crate) use self::shard::deliver_to_shard;
