//! The log: each line one JSON object that carries the invocation's ids, whoever writes it.
//!
//! An environment has one invocation at a time, so the ids are kept in one place rather than in a
//! span: what a task, a panic or a library says has them, too. What libraries log below a warning is
//! never shown, whatever `RUST_LOG` says: there are requests, tokens and signatures in it.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use shared::config::DEFAULT_LOG_FILTER;
use shared::model::error::ErrorType;
use shared::model::socket_id::ConnectionId;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::names::FUNCTIONS;

const CONNECTION_ID: &str = "connection_id";
const ERROR_TYPE: &str = "error_type";

/// Says over again what is logged here already, but with what the caller sent.
const UNTOLD: [&str; 2] = [
    "lambda_runtime::layers::panic",
    "lambda_runtime::layers::api_response",
];

/// The invocation that is under way, or the last one.
struct Current {
    request_id: String,
    connection_id: String,
    errors: BTreeMap<String, u64>,
}

static CURRENT: Mutex<Current> = Mutex::new(Current {
    request_id: String::new(),
    connection_id: String::new(),
    errors: BTreeMap::new(),
});

fn current() -> MutexGuard<'static, Current> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on lines are about this invocation.
pub(crate) fn begin(request_id: &str) {
    let mut current = current();
    request_id.clone_into(&mut current.request_id);
    current.connection_id.clear();
}

/// From now on lines are about this connection, until the next invocation begins.
pub fn about(id: &ConnectionId) {
    id.as_str().clone_into(&mut current().connection_id);
}

/// The errors that were logged since this was asked last, by their types.
pub(crate) fn take_errors() -> BTreeMap<String, u64> {
    std::mem::take(&mut current().errors)
}

/// Starts the log: `filter` says what is shown of our own lines.
pub(crate) fn start(filter: &str) {
    subscriber(filter, std::io::stdout).init();
    std::panic::set_hook(Box::new(panicked));
}

fn subscriber<W>(filter: &str, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // The filters that know fields, too, bring a hundred kilobytes of regular expressions.
    let filter: Targets = filter.parse().unwrap_or_else(|_| default_filter());
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(writer)
        .event_format(Line)
        .with_filter(filter.and(filter_fn(is_told)));
    // Errors count, whether they are shown or not.
    let errors = ErrorCounter.with_filter(filter_fn(|metadata| {
        *metadata.level() == Level::ERROR && is_told(metadata)
    }));
    tracing_subscriber::registry().with(lines).with(errors)
}

/// What is shown where the filter is none.
fn default_filter() -> Targets {
    DEFAULT_LOG_FILTER.parse().expect("the default is a filter")
}

/// Says where a panic was, and no more: most messages may be made of what a caller sent.
fn panicked(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let error = panic.payload().downcast_ref::<&'static str>().copied();
    let error_type = ErrorType::Panic.name();
    tracing::error!(error_type, location, error, "panicked");
}

/// Whether such lines may be shown at all.
fn is_told(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let name = target.split("::").next().unwrap_or_default();
    let ours = ["shared", "functions"].contains(&name) || FUNCTIONS.contains(&name);
    ours || (*metadata.level() <= Level::WARN && !UNTOLD.contains(&target))
}

/// An event as a JSON object.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Object::default();
        event.record(&mut line);
        let Object(mut line) = line;
        let metadata = event.metadata();
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        line.insert("timestamp".to_owned(), timestamp.into());
        line.insert("level".to_owned(), metadata.level().as_str().into());
        line.insert("target".to_owned(), metadata.target().into());
        if *metadata.level() == Level::ERROR {
            line.entry(ERROR_TYPE)
                .or_insert_with(|| ErrorType::Runtime.name().into());
        }
        {
            let current = current();
            let id = current.request_id.as_str();
            if !id.is_empty() {
                line.insert("request_id".to_owned(), id.into());
            }
            // A line about another connection says so itself.
            let id = current.connection_id.as_str();
            if !id.is_empty() {
                line.entry(CONNECTION_ID).or_insert_with(|| id.into());
            }
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// An event's fields.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Object {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }
}

/// Counts errors by their types.
struct ErrorCounter;

impl<S: Subscriber> Layer<S> for ErrorCounter {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Object::default();
        event.record(&mut fields);
        let named = fields.0.get(ERROR_TYPE).and_then(Value::as_str);
        let error_type = named.unwrap_or(ErrorType::Runtime.name()).to_owned();
        *current().errors.entry(error_type).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::panic;
    use std::sync::Arc;

    use super::*;

    /// Lines that were written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("nobody panics").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn lines(&self) -> Vec<Value> {
            let written = self.0.lock().expect("nobody panics");
            let text = String::from_utf8(written.clone()).expect("UTF-8");
            let lines = text.lines();
            let parsed = lines.map(|line| serde_json::from_str(line).expect("JSON"));
            parsed.collect()
        }
    }

    /// What is logged meanwhile. One test does it all: the ids and the hook are the process's.
    fn logged(filter: &str, what: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = subscriber(filter, move || writer.clone());
        tracing::subscriber::with_default(subscriber, what);
        written.lines()
    }

    #[test]
    fn a_line_has_the_ids_and_a_panic_is_a_line_and_what_libraries_repeat_is_none() {
        begin("r-1");
        about(&ConnectionId::new("c-1".to_owned()));
        take_errors();
        let lines = logged("info", || {
            tracing::info!(channel = "orders", served = 2_u64, "published");
            tracing::error!(connection_id = %"c-2", error_type = "Panic", "not delivered");
            tracing::debug!("unseen");
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0]["request_id"], "r-1");
        assert_eq!(lines[0]["connection_id"], "c-1");
        assert_eq!(
            (&lines[0]["level"], &lines[0]["served"]),
            (&"INFO".into(), &2.into())
        );
        assert_eq!(lines[0]["message"], "published");
        assert_eq!(lines[1]["connection_id"], "c-2");

        let lines = logged("trace", || {
            tracing::info!(target: "lambda_runtime", "s3cret");
            tracing::trace!(target: "aws_sigv4", "s3cret");
            tracing::error!(target: "lambda_runtime::layers::panic", "s3cret");
            tracing::error!(target: "lambda_runtime::layers::api_response", "s3cret");
            tracing::error!(target: "lambda_runtime", "ended");
            tracing::warn!(target: "hyper", "slow");
        });
        let said = lines
            .iter()
            .map(|line| (&line["message"], &line["error_type"]));
        let said: Vec<_> = said.collect();
        let expected = [
            (&"ended".into(), &"Runtime".into()),
            (&"slow".into(), &Value::Null),
        ];
        assert_eq!(said, expected);

        begin("r-2");
        let before = panic::take_hook();
        panic::set_hook(Box::new(panicked));
        let lines = logged("off,functions=info", || {
            let constant = panic::catch_unwind(|| panic!("a constant"));
            let made = panic::catch_unwind(|| panic!("{}", "s3cret".to_owned()));
            assert!(constant.is_err() && made.is_err());
        });
        panic::set_hook(before);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0]["error"], "a constant");
        assert_eq!(lines[1].get("error"), None);
        for line in &lines {
            assert_eq!(
                (&line["error_type"], &line["request_id"]),
                (&"Panic".into(), &"r-2".into())
            );
            assert_eq!(line.get("connection_id"), None);
            assert!(line["location"].to_string().contains("log.rs"), "{line}");
        }

        // All were counted, also where the filter shows none.
        logged("off", || {
            tracing::error!(error_type = "SerialLost", "unseen");
        });
        let expected = [("Panic", 3), ("Runtime", 1), ("SerialLost", 1)];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(take_errors(), BTreeMap::from(expected));
        assert!(take_errors().is_empty());
    }
}
