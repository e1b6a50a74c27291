//! The names of what goes wrong, for logs, metrics and alarms.

use super::fault::Fault;

/// Names each type after its variant.
macro_rules! error_types {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What kind of thing went wrong. The names are stable: alarms filter on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ErrorType {
            $($(#[$doc])* $name,)+
        }

        impl ErrorType {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name, as `error_type` in a line of the log and as the dimension of a metric.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

error_types! {
    /// DynamoDB did not do what was asked, or its answer was lost.
    TableUnavailable,
    /// DynamoDB refused for want of capacity.
    TableThrottled,
    /// A row does not have the shape that this code writes.
    RowUnreadable,
    /// `@connections` could not be reached, or its answer not be understood.
    ConnectionsUnavailable,
    /// Lambda did not take an invocation.
    InvocationRefused,
    /// SQS did not take a message.
    QueueUnavailable,
    /// A message of a queue does not have the shape that this code writes.
    TaskUnreadable,
    /// Secrets Manager did not give a secret, or what it gave cannot be read.
    SecretUnavailable,
    /// The operating system gave no random bytes.
    NoRandomBytes,
    /// A publication lost its serial as often as it may.
    SerialLost,
    /// An event does not have the shape that its trigger gives it.
    EventUnreadable,
    /// Nobody took a webhook for as long as it is tried.
    WebhookGivenUp,
    /// There was no time for all of it.
    OutOfTime,
    /// The function's variables are not what it needs.
    ConfigIncomplete,
    /// The code has broken an assumption of its own.
    Panic,
    /// The Lambda runtime, or another library, says that something failed.
    Runtime,
}

impl Fault {
    /// The name of its kind.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        let kind = match self {
            Self::Table {
                throttled: true, ..
            } => ErrorType::TableThrottled,
            Self::Table {
                throttled: false, ..
            } => ErrorType::TableUnavailable,
            Self::Row { .. } | Self::Voice => ErrorType::RowUnreadable,
            Self::Gateway { .. } | Self::Throttled => ErrorType::ConnectionsUnavailable,
            Self::Invoke(_) => ErrorType::InvocationRefused,
            Self::Queue(_) => ErrorType::QueueUnavailable,
            Self::Task(_) => ErrorType::TaskUnreadable,
            Self::Secret(_) => ErrorType::SecretUnavailable,
            Self::Overdue => ErrorType::OutOfTime,
            Self::Random(_) => ErrorType::NoRandomBytes,
            Self::SerialLost => ErrorType::SerialLost,
        };
        kind.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metrics::tests::documented;

    #[test]
    fn every_error_type_is_in_the_table_and_the_table_has_no_other() {
        let names: Vec<&str> = ErrorType::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(documented("## Error types"), names);
    }
}
