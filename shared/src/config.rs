//! The functions' configuration: the only folder that reads the environment, and a file that it names. It knows
//! no AWS crate.

mod environment;
mod keys;
mod roots;
mod types;
pub mod variable;

pub use self::environment::DEFAULT_LOG_FILTER;
pub use self::keys::{AwsKeys, KeyEndpoint, KeySource};
#[cfg(test)]
pub(crate) use self::roots::AMAZON_ROOTS_PEM;
pub use self::types::{
    Config, ConfigProblems, Configured, GreetVia, LargeChannels, Lives, WebhooksTo, parse_apps,
};

#[cfg(test)]
mod tests;
