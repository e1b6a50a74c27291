//! Prints the figures as tables: first as multiples of the floor, then as they are.

use std::fmt;

use super::load::Taken;
use super::ways::Way;

/// What is published to, and by how many posts at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) tls: bool,
    /// Before each answer.
    pub(crate) delay_ms: u64,
    pub(crate) in_flight: usize,
}

impl Setting {
    /// All that are measured.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let receivers = [(false, 0), (false, 10), (true, 0), (true, 10)];
        receivers.into_iter().flat_map(|(tls, delay_ms)| {
            [64, 256].map(|in_flight| Self {
                tls,
                delay_ms,
                in_flight,
            })
        })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls { "TLS, " } else { "" };
        write!(f, "{tls}{} ms, {}", self.delay_ms, self.in_flight)
    }
}

/// Who publishes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publisher {
    Rust(Way),
    Node,
}

impl Publisher {
    const ALL: [Self; 5] = [
        Self::Rust(Way::Floor),
        Self::Rust(Way::Ours),
        Self::Rust(Way::SdkThreads),
        Self::Rust(Way::Sdk),
        Self::Node,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Rust(Way::Floor) => "bare sockets, signed: the floor",
            Self::Rust(Way::Ours) => "our path",
            Self::Rust(Way::SdkThreads) => "aws-sdk-apigatewaymanagement, as usually written",
            Self::Rust(Way::Sdk) => "the same on one thread",
            Self::Node => "Node, SDK v3",
        }
    }
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct DeliveryReport {
    measured: Vec<(Setting, Publisher, Taken)>,
}

impl DeliveryReport {
    pub(crate) fn add(&mut self, setting: Setting, publisher: Publisher, taken: Taken) {
        self.measured.push((setting, publisher, taken));
    }

    /// The median of something over the rounds; `None` without a round.
    fn median(
        &self,
        setting: Setting,
        publisher: Publisher,
        figure: fn(&Taken) -> f64,
    ) -> Option<f64> {
        let mut figures: Vec<f64> = self
            .measured
            .iter()
            .filter(|(at, by, _)| *at == setting && *by == publisher)
            .map(|(_, _, taken)| figure(taken))
            .collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied()
    }

    fn table(
        &self,
        f: &mut fmt::Formatter<'_>,
        title: &str,
        figure: impl Fn(Setting, Publisher) -> Option<String>,
    ) -> fmt::Result {
        write!(f, "| {title} |")?;
        for setting in Setting::all() {
            write!(f, " {setting} |")?;
        }
        write!(f, "\n| --- |")?;
        for _ in Setting::all() {
            write!(f, " ---: |")?;
        }
        for publisher in Publisher::ALL {
            write!(f, "\n| {} |", publisher.name())?;
            for setting in Setting::all() {
                let figure = figure(setting, publisher).unwrap_or_default();
                write!(f, " {figure} |")?;
            }
        }
        writeln!(f, "\n")
    }
}

impl fmt::Display for DeliveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(f, "CPU, times the floor's", |setting, publisher| {
            let floor = self.median(
                setting,
                Publisher::Rust(Way::Floor),
                Taken::message_cpu_micros,
            )?;
            let cpu = self.median(setting, publisher, Taken::message_cpu_micros)?;
            Some(format!("{:.2}", cpu / floor))
        })?;
        self.table(f, "CPU of a message, µs", |setting, publisher| {
            let cpu = self.median(setting, publisher, Taken::message_cpu_micros)?;
            Some(format!("{cpu:.1}"))
        })?;
        self.table(f, "messages a second", |setting, publisher| {
            let wall = self.median(setting, publisher, Taken::message_wall_micros)?;
            Some(format!("{:.0}", 1e6 / wall))
        })?;
        self.table(f, "most memory, MB", |setting, publisher| {
            let peak = self.median(setting, publisher, Taken::peak_rss_mb)?;
            Some(format!("{peak:.0}"))
        })
    }
}
