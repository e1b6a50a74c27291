//! Calculates from the day's steps what a month costs, and what a million messages cost.

use super::peers::Usage;
use super::prices::{EMPTY_RECEIVES_A_MONTH, MINUTES_A_MONTH, Meter, SECRET_A_MONTH};
use super::script::{Counts, PING_MINUTES, SMALL_SUBSCRIBERS, Step};
use super::used::Used;

/// API Gateway ends every connection after two hours.
const LIVES_A_MONTH: f64 = 730.0 / 2.0;
/// A million.
const MILLION: f64 = 1e6;
/// Connections that a month is told for.
const CONNECTIONS: f64 = 1_000.0;
/// Secrets of the template.
const SECRETS: f64 = 3.0;
/// Queues that Lambda asks: two of them standard, and one FIFO.
const STANDARD_QUEUES: f64 = 2.0;
/// A function that is never idle reads each of its secrets so often, in minutes.
const SECRET_AGE_MINUTES: f64 = 5.0;

/// A figure of the report.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) used: Used,
    /// What is paid by the month besides.
    pub(crate) fixed_dollars: f64,
    /// The same at others, where there is such a thing.
    pub(crate) load: Option<Usage>,
}

/// The counts of a day.
pub(crate) struct Month<'a>(pub(crate) &'a [Counts]);

impl Month<'_> {
    fn counts(&self, step: Step) -> impl Iterator<Item = &Counts> {
        self.0.iter().filter(move |counts| counts.step == step)
    }

    /// What a step uses each time.
    fn once(&self, step: Step) -> Used {
        let all = self.counts(step);
        all.map(|counts| counts.for_each(counts.times)).sum()
    }

    /// What a step uses for each copy of an event that arrives.
    fn copy(&self, step: Step) -> Used {
        let all = self.counts(step);
        all.map(|counts| counts.for_each(counts.spending.delivered))
            .sum()
    }

    /// A million copies, over each way.
    pub(crate) fn deliveries(&self) -> [Figure; 4] {
        let figure = |name, step, load| Figure {
            name,
            used: self.copy(step) * MILLION,
            fixed_dollars: 0.0,
            load,
        };
        let load = Usage {
            connections: 0.0,
            delivered: MILLION,
            published: MILLION / subscribers(),
            channels: 0.0,
        };
        [
            figure("sockets, channels of 20", Step::PublishSmall, Some(load)),
            figure("sockets, the large channel", Step::PublishLarge, None),
            figure("streams, one event a second", Step::Stream, None),
            figure("polls, one event a second", Step::Poll, None),
        ]
    }

    /// Months: of a thousand connections in channels of 20, and of nobody.
    pub(crate) fn months(&self) -> [Figure; 4] {
        let minutes = CONNECTIONS * MINUTES_A_MONTH;
        let lives = [Step::Connect, Step::Subscribe, Step::Leave].map(|step| self.once(step));
        let lives = lives.into_iter().sum::<Used>() * (CONNECTIONS * LIVES_A_MONTH);
        let ping = self.once(Step::Ping);
        let pings = minutes / PING_MINUTES;
        // One event each minute: nobody is silent for long enough to ping.
        let active = self.copy(Step::PublishSmall) * minutes
            + Used::of(Meter::ConnectionMinutes, minutes)
            + lives;
        let load = |delivered: f64| Usage {
            connections: CONNECTIONS,
            delivered,
            published: delivered / subscribers(),
            channels: if delivered > 0.0 {
                CONNECTIONS / subscribers()
            } else {
                0.0
            },
        };
        let figure = |name, used, load| Figure {
            name,
            used,
            fixed_dollars: 0.0,
            load,
        };
        [
            figure(
                "1,000 connections, idle",
                ping * pings + lives,
                Some(load(0.0)),
            ),
            figure(
                "the same with `PingRoute`",
                ping.without_functions() * pings + lives,
                None,
            ),
            figure(
                "1,000 connections, an event a minute",
                active,
                Some(load(minutes)),
            ),
            Figure {
                name: "nobody",
                used: self.nobody(),
                fixed_dollars: SECRETS * SECRET_A_MONTH,
                load: None,
            },
        ]
    }

    /// What is used while nobody is there.
    fn nobody(&self) -> Used {
        let reads = MINUTES_A_MONTH / SECRET_AGE_MINUTES;
        self.once(Step::Reap) * MINUTES_A_MONTH
            + Used::of(Meter::SecretReads, reads)
            + Used::of(
                Meter::QueueRequests,
                STANDARD_QUEUES * EMPTY_RECEIVES_A_MONTH,
            )
            + Used::of(Meter::FifoRequests, EMPTY_RECEIVES_A_MONTH)
    }
}

fn subscribers() -> f64 {
    u32::try_from(SMALL_SUBSCRIBERS).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day::count::Spending;

    fn counts(step: Step, times: f64, delivered: f64, used: Used) -> Counts {
        let spending = Spending {
            used,
            delivered,
            cpu_secs: 0.0,
        };
        Counts {
            step,
            times,
            spending,
        }
    }

    fn dollars(figure: &Figure) -> f64 {
        figure.used.dollars() + figure.fixed_dollars
    }

    #[test]
    fn a_month_is_made_of_pings_and_of_lives_of_two_hours() {
        let message = |count| Used::of(Meter::SocketMessages, count);
        let day = [
            counts(Step::Connect, 10.0, 0.0, message(10.0)),
            counts(Step::Subscribe, 10.0, 0.0, message(20.0)),
            counts(Step::Leave, 10.0, 0.0, Used::default()),
            counts(
                Step::Ping,
                5.0,
                0.0,
                message(10.0)
                    + Used::of(Meter::Invocations, 5.0)
                    + Used::of(Meter::ConnectionMinutes, 10.0),
            ),
            counts(Step::PublishSmall, 1.0, 20.0, message(20.0)),
        ];
        let months = Month(&day).months();
        let lives = 1_000.0 * 365.0 * 3.0 * 1e-6;
        let minutes = 1_000.0 * 43_800.0 * 0.25e-6;
        let pings = 1_000.0 * 21_900.0 * 1e-6;
        let expected = [
            lives + minutes + pings * (2.0 + 0.2),
            lives + minutes + pings * 2.0,
            lives + minutes + 43.8,
        ];
        for (month, expected) in months.iter().zip(expected) {
            let found = dollars(month);
            assert!((found - expected).abs() < 1e-6, "{}: {found}", month.name);
        }
    }

    #[test]
    fn a_million_messages_are_paid_by_what_arrived() {
        let used = Used::of(Meter::SocketMessages, 40.0) + Used::of(Meter::WriteUnits, 4.0);
        let secrets = Used::of(Meter::SecretReads, 4.0);
        let day = [counts(Step::PublishSmall, 2.0, 40.0, used + secrets)];
        let found = dollars(&Month(&day).deliveries()[0]);
        assert!((found - 1.0625).abs() < 1e-9, "{found}");
    }
}
