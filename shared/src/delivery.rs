//! Delivering one publication to all subscribers of a channel: at once, or through the queue, shard by shard. It
//! does not know who is present, who is signed in, or what a publication says.

mod dispatch;
mod fan_out;
mod growth;
mod pacer;
mod shard;

pub(crate) use self::dispatch::{Dispatch, dispatch};
pub use self::fan_out::{FanOut, Recipient, Tally, deliver, deliver_to, fan_out, subscribers};
pub(crate) use self::fan_out::{page_by_page, post_to};
pub(crate) use self::growth::grown;
pub use self::pacer::Pacer;
pub(crate) use self::shard::deliver_to_shard;
