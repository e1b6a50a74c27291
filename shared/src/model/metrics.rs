//! What is counted, and how CloudWatch is told: one line of the log a time, in its embedded metric
//! format. Counting is an addition; nothing is allocated for a recipient.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::model::limits::{METRIC_VALUES_MAX, TIMINGS_MAX};
use crate::model::time::UnixMillis;

/// The dimension of errors.
const ERROR_TYPE: &str = "ErrorType";
/// The metric of errors: one of all, and one of each type.
const ERRORS: &str = "Errors";

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Clients that were let in.
    Connections,
    /// Channels that were joined.
    Subscribes,
    /// Events that were published: one for each channel.
    Publications,
    /// Copies that a fan-out has delivered.
    Deliveries,
    /// Posts that met nobody.
    Gone,
    /// Posts that were refused for want of capacity.
    Throttled,
    /// Requests and frames that broke a rule.
    Refused,
}

impl Count {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 7] = [
        Self::Connections,
        Self::Subscribes,
        Self::Publications,
        Self::Deliveries,
        Self::Gone,
        Self::Throttled,
        Self::Refused,
    ];

    /// The metric's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "Connections",
            Self::Subscribes => "Subscribes",
            Self::Publications => "Publications",
            Self::Deliveries => "Deliveries",
            Self::Gone => "Gone",
            Self::Throttled => "Throttled",
            Self::Refused => "Refused",
        }
    }
}

/// Something that takes time: milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// A fan-out, from its first query to its last post.
    FanOutMillis,
    /// From when a publication was taken in to the last post of its fan-out.
    DeliveryLagMillis,
}

impl Timing {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 2] = [Self::FanOutMillis, Self::DeliveryLagMillis];

    /// The metric's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FanOutMillis => "FanOutMillis",
            Self::DeliveryLagMillis => "DeliveryLagMillis",
        }
    }
}

/// What an environment counts from one invocation to the next. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    namespace: Option<String>,
    function: String,
    counts: [AtomicU64; Count::ALL.len()],
    timings: Mutex<[Vec<u64>; Timing::ALL.len()]>,
}

impl Metrics {
    /// Nothing is counted yet. Without a namespace nothing is ever told.
    #[must_use]
    pub fn new(namespace: Option<String>, function: String) -> Self {
        Self(Arc::new(Inner {
            namespace,
            function,
            counts: Default::default(),
            timings: Mutex::default(),
        }))
    }

    /// Counts so many more.
    pub fn add(&self, count: Count, more: u64) {
        // A variant's number is its place in `ALL`.
        self.0.counts[count as usize].fetch_add(more, Ordering::Relaxed);
    }

    /// Notes how long something took. Beyond [`TIMINGS_MAX`] in one invocation it is not noted.
    pub fn took(&self, timing: Timing, elapsed: Duration) {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let noted = &mut self.timings()[timing as usize];
        if noted.len() < TIMINGS_MAX {
            noted.push(millis);
        }
    }

    fn timings(&self) -> MutexGuard<'_, [Vec<u64>; Timing::ALL.len()]> {
        let timings = self.0.timings.lock();
        timings.unwrap_or_else(PoisonError::into_inner)
    }

    /// What was counted since the last time, and the errors of the same time by their types, as
    /// CloudWatch reads them: a line each, and none when there was nothing. Counting starts anew.
    #[must_use]
    pub fn take(
        &self,
        request_id: &str,
        errors: &BTreeMap<String, u64>,
        now: UnixMillis,
    ) -> Vec<String> {
        let counts = self
            .0
            .counts
            .iter()
            .map(|count| count.swap(0, Ordering::Relaxed));
        let counts: Vec<u64> = counts.collect();
        let timings = std::mem::take(&mut *self.timings());
        let Some(namespace) = &self.0.namespace else {
            return Vec::new();
        };
        let document = |dimensions: Value, metrics: Vec<(&str, &str, Value)>, error_type| {
            let definitions: Vec<Value> = metrics
                .iter()
                .map(|(name, unit, _)| json!({"Name": name, "Unit": unit}))
                .collect();
            let directive = json!({
                "Namespace": namespace,
                "Dimensions": dimensions,
                "Metrics": definitions,
            });
            let mut document = Map::new();
            document.insert(
                "_aws".to_owned(),
                json!({"Timestamp": now.0, "CloudWatchMetrics": [directive]}),
            );
            document.insert("function".to_owned(), self.0.function.as_str().into());
            document.insert("request_id".to_owned(), request_id.into());
            if let Some(error_type) = error_type {
                document.insert(ERROR_TYPE.to_owned(), error_type);
            }
            for (name, _, value) in metrics {
                document.insert(name.to_owned(), value);
            }
            Value::Object(document).to_string()
        };
        let counted = Count::ALL
            .iter()
            .zip(counts)
            .filter(|(_, count)| *count > 0);
        let mut metrics: Vec<(&str, &str, Value)> = counted
            .map(|(metric, count)| (metric.name(), "Count", count.into()))
            .collect();
        let mut documents = Vec::new();
        let mut pending: Vec<_> = Timing::ALL
            .iter()
            .zip(&timings)
            .map(|(metric, values)| (metric.name(), values.chunks(METRIC_VALUES_MAX)))
            .collect();
        loop {
            let chunks = pending
                .iter_mut()
                .filter_map(|(name, chunks)| Some((*name, "Milliseconds", chunks.next()?.into())));
            metrics.extend(chunks);
            if metrics.is_empty() {
                break;
            }
            documents.push(document(json!([[]]), std::mem::take(&mut metrics), None));
        }
        documents.extend(errors.iter().map(|(error_type, count)| {
            let metrics = vec![(ERRORS, "Count", (*count).into())];
            let dimensions = json!([[], [ERROR_TYPE]]);
            document(dimensions, metrics, Some(error_type.as_str().into()))
        }));
        documents
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The names in the first column of a table in `docs/metrics.md`.
    pub(crate) fn documented(heading: &str) -> Vec<String> {
        let path = format!("{}/../docs/metrics.md", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("it is there");
        let (_, section) = text.split_once(heading).expect("the section");
        let section = section.split("\n## ").next().unwrap_or_default();
        let names = section.lines().filter_map(|line| {
            let (name, _) = line.strip_prefix("| `")?.split_once('`')?;
            Some(name.to_owned())
        });
        names.collect()
    }

    fn taken(metrics: &Metrics, errors: &BTreeMap<String, u64>) -> Vec<Value> {
        let lines = metrics.take("r-1", errors, UnixMillis(7));
        let parsed = lines
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        parsed.collect()
    }

    fn metrics() -> Metrics {
        Metrics::new(Some("Channels".to_owned()), "publisher".to_owned())
    }

    #[test]
    fn every_metric_is_in_the_table_and_the_table_has_no_other() {
        let counts = Count::ALL.iter().map(|count| count.name());
        let timings = Timing::ALL.iter().map(|timing| timing.name());
        let names: Vec<&str> = counts.chain(timings).chain([ERRORS]).collect();
        assert_eq!(documented("## Metrics"), names);
        for (place, count) in Count::ALL.iter().enumerate() {
            assert_eq!(*count as usize, place);
        }
        for (place, timing) in Timing::ALL.iter().enumerate() {
            assert_eq!(*timing as usize, place);
        }
    }

    #[test]
    fn what_was_counted_is_told_once_in_the_embedded_format() {
        let metrics = metrics();
        metrics.add(Count::Publications, 1);
        metrics.add(Count::Deliveries, 2);
        metrics.add(Count::Deliveries, 3);
        metrics.add(Count::Gone, 0);
        metrics.took(Timing::FanOutMillis, Duration::from_micros(12_900));
        let expected = json!({
            "_aws": {"Timestamp": 7, "CloudWatchMetrics": [{
                "Namespace": "Channels",
                "Dimensions": [[]],
                "Metrics": [
                    {"Name": "Publications", "Unit": "Count"},
                    {"Name": "Deliveries", "Unit": "Count"},
                    {"Name": "FanOutMillis", "Unit": "Milliseconds"},
                ],
            }]},
            "function": "publisher",
            "request_id": "r-1",
            "Publications": 1,
            "Deliveries": 5,
            "FanOutMillis": [12],
        });
        assert_eq!(taken(&metrics, &BTreeMap::new()), [expected]);
        assert!(taken(&metrics, &BTreeMap::new()).is_empty());
    }

    #[test]
    fn errors_are_told_by_their_type_and_in_all() {
        let errors = BTreeMap::from([("TableThrottled".to_owned(), 2)]);
        let told = taken(&metrics(), &errors);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["ErrorType"], "TableThrottled");
        assert_eq!(told[0]["Errors"], 2);
        let directive = &told[0]["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([[], ["ErrorType"]]));
    }

    #[test]
    fn no_line_has_more_values_than_cloudwatch_reads_and_no_invocation_more_than_is_kept() {
        let metrics = metrics();
        for millis in 0..150 {
            metrics.took(Timing::FanOutMillis, Duration::from_millis(millis));
        }
        let told = taken(&metrics, &BTreeMap::new());
        let values = |line: &Value| line["FanOutMillis"].as_array().map(Vec::len);
        let lengths: Vec<_> = told.iter().map(values).collect();
        assert_eq!(lengths, [Some(100), Some(50)]);
        for millis in 0..=1_000 {
            metrics.took(Timing::DeliveryLagMillis, Duration::from_millis(millis));
        }
        assert_eq!(taken(&metrics, &BTreeMap::new()).len(), 10);
    }

    #[test]
    fn without_a_namespace_nothing_is_told_and_nothing_kept() {
        let metrics = Metrics::new(None, "publisher".to_owned());
        metrics.add(Count::Connections, 1);
        metrics.took(Timing::FanOutMillis, Duration::from_millis(1));
        let errors = BTreeMap::from([("Panic".to_owned(), 1)]);
        assert!(taken(&metrics, &errors).is_empty());
        assert!(metrics.timings().iter().all(Vec::is_empty));
    }
}
