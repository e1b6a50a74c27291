//! The measured figures as Markdown and as a picture.

use std::num::NonZero;
use std::path::Path;

use super::fit::Line;
use super::measure::{CountedRequests, Timed};
use super::plot::{Curve, Panel, svg};
use crate::figures::{grouped, push, significant, wide};

/// All that was measured.
pub(crate) struct GrowthReport {
    /// What was asked for.
    pub(crate) counted: Vec<CountedRequests>,
    /// At any pace.
    pub(crate) free: Vec<Timed>,
    /// At the default pace.
    pub(crate) paced: Vec<Timed>,
}

/// A straight line through figures, as a row.
struct Fitted {
    what: &'static str,
    unit: &'static str,
    points: Vec<(f64, f64)>,
}

impl GrowthReport {
    fn timed(timed: &[Timed], figure: fn(&Timed) -> f64) -> Vec<(f64, f64)> {
        let point = |timed: &Timed| (wide(timed.recipients), figure(timed));
        timed.iter().map(point).collect()
    }

    fn counted(&self, figure: fn(&CountedRequests) -> f64) -> Vec<(f64, f64)> {
        let point = |counted: &CountedRequests| (wide(counted.recipients), figure(counted));
        self.counted.iter().map(point).collect()
    }

    fn fitted(&self) -> [Fitted; 5] {
        [
            Fitted {
                what: "CPU of the functions",
                unit: " ms",
                points: Self::timed(&self.free, |timed| timed.cpu_millis),
            },
            Fitted {
                what: "time at any pace",
                unit: " ms",
                points: Self::timed(&self.free, |timed| timed.wall_millis),
            },
            Fitted {
                what: "read units",
                unit: "",
                points: self.counted(|counted| counted.asked.read_units),
            },
            Fitted {
                what: "write units",
                unit: "",
                points: self.counted(|counted| counted.asked.write_units),
            },
            Fitted {
                what: "requests to DynamoDB and SQS",
                unit: "",
                points: self.counted(requests),
            },
        ]
    }

    /// The picture: times beside requests.
    pub(crate) fn svg(&self) -> String {
        let curve = |name: &str, points| Curve {
            name: name.to_owned(),
            points,
        };
        svg(&[
            Panel {
                title: "One publication: milliseconds",
                curves: vec![
                    curve(
                        "CPU of the functions",
                        Self::timed(&self.free, |timed| timed.cpu_millis),
                    ),
                    curve(
                        "time to the last post, at any pace",
                        Self::timed(&self.free, |timed| timed.wall_millis),
                    ),
                    curve(
                        "the same at 8,000 posts a second",
                        Self::timed(&self.paced, |timed| timed.wall_millis),
                    ),
                ],
            },
            Panel {
                title: "One publication: DynamoDB and SQS",
                curves: vec![
                    curve(
                        "read units",
                        self.counted(|counted| counted.asked.read_units),
                    ),
                    curve(
                        "write units",
                        self.counted(|counted| counted.asked.write_units),
                    ),
                    curve("requests, to both", self.counted(requests)),
                    curve(
                        "messages, in SQS",
                        self.counted(|counted| counted.asked.messages),
                    ),
                ],
            },
        ])
    }

    /// What was measured, in words and tables.
    pub(crate) fn text(&self, picture: &Path) -> String {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let mut text = format!(
            "# Growth\n\n\
             What one publication costs as its channel grows. `cargo run --profile bench -p bench -- growth` prints this page \
             and draws the picture: the functions as they are deployed, under `local`, on one machine with {cores} cores, which the table, the \
             gateway and the receiver of the posts share. The receiver answers at once.\n\n\
             ![What one publication costs, by recipients]({})\n\n\
             | recipients | CPU, ms | CPU of one, µs | time, ms | time at 8,000 a second, ms | writes (units) | reads (units) | requests to SQS | messages |\n\
             | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
            picture.display()
        );
        let rows = self.free.iter().zip(&self.paced).zip(&self.counted);
        for ((free, paced), CountedRequests { recipients, asked }) in rows {
            let each = free.cpu_millis * 1e3 / wide(*recipients);
            push(
                &mut text,
                format_args!(
                    "| {} | {} | {} | {} | {} | {:.0} ({:.1}) | {:.0} ({:.1}) | {:.0} | {:.0} |\n",
                    grouped(*recipients),
                    significant(free.cpu_millis),
                    significant(each),
                    significant(free.wall_millis),
                    significant(paced.wall_millis),
                    asked.writes,
                    asked.write_units,
                    asked.reads,
                    asked.read_units,
                    asked.sends,
                    asked.messages,
                ),
            );
        }
        text.push_str(
            "\nCPU is that of the processes of `publisher` and `fanout`, as the scheduler counts it (`/proc/…/schedstat`). The time is from before the \
             request to the last post. Up to 1,000 recipients the publisher delivers by itself; beyond that four workers do, one message for each shard, \
             each at its quarter of the pace. \
             Requests and units are counted on the wire; messages are those that the workers were done with.\n\n\
             A straight line through each, by the least deviation in proportion:\n\n\
             | | constant | for each recipient | largest deviation |\n| --- | ---: | ---: | --- |\n",
        );
        for Fitted { what, unit, points } in self.fitted() {
            let line = Line::through(&points);
            let deviation = line.and_then(|line| line.largest_deviation(&points));
            let (Some(line), Some((deviation, (at, figure)))) = (line, deviation) else {
                continue;
            };
            push(
                &mut text,
                format_args!(
                    "| {what} | {}{unit} | {}{unit} | {:.0} % or {}{unit}, at {at} |\n",
                    significant(line.constant),
                    significant(line.per_recipient),
                    deviation * 100.0,
                    significant(deviation * figure),
                ),
            );
        }
        text.push('\n');
        text
    }
}

fn requests(counted: &CountedRequests) -> f64 {
    counted.asked.reads + counted.asked.writes + counted.asked.sends
}
