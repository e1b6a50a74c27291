//! What a day costs on AWS: a scripted day in small on the real system, what it uses of everything that AWS
//! bills, and the price of that.
//!
//! | module | owns |
//! | --- | --- |
//! | [`prices`], [`used`] | AWS's prices; units of each meter |
//! | [`client`], [`secrets`], [`count`] | the clients, a Secrets Manager, and what each step uses |
//! | [`script`] | what happens in the day |
//! | [`peers`], [`month`], [`report`] | other services' prices, a month, the tables |

pub(crate) mod benchmark;
mod client;
mod count;
mod month;
mod peers;
mod prices;
mod report;
mod script;
mod secrets;
mod used;
