//! The values that an argument may have.

use std::str::FromStr;

use clap::ValueEnum;

/// A variable of the functions.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            Some(_) | None => Err("NAME=VALUE is expected".to_owned()),
        }
    }
}

/// How `connect` greets a connection.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum GreetVia {
    /// In the same invocation, after its response.
    Layer,
    /// In an asynchronous invocation of itself.
    Invoke,
}

impl GreetVia {
    /// The value of the functions' variable.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Invoke => "invoke",
        }
    }
}

/// Where webhooks may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WebhooksTo {
    /// To public addresses, over TLS: as on AWS.
    Public,
    /// Anywhere.
    Any,
}

impl WebhooksTo {
    /// The value of the functions' variable.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Any => "any",
        }
    }
}

/// Whether the gateway invokes `disconnect` when a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Disconnects {
    /// It does.
    Deliver,
    /// It never does.
    Drop,
}
