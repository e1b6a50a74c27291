//! Prints the day as Markdown tables.

use std::fmt;

use super::month::{Figure, Month};
use super::peers::Peer;
use super::prices::{Meter, Service};
use super::script::Counts;
use crate::figures::significant;

/// A day's counts, to be printed as Markdown.
pub(crate) struct DayReport<'a>(pub(crate) &'a [Counts]);

/// The columns of what was counted.
const COLUMNS: [(&str, &[Meter], f64); 10] = [
    ("writes", &[Meter::WriteUnits], 1.0),
    ("reads", &[Meter::ReadUnits], 1.0),
    ("invocations", &[Meter::Invocations], 1.0),
    ("GB-s", &[Meter::GbSeconds], 1.0),
    ("socket messages", &[Meter::SocketMessages], 1.0),
    ("HTTP requests", &[Meter::HttpRequests], 1.0),
    ("CloudFront requests", &[Meter::FrontRequests], 1.0),
    ("KB out", &[Meter::FrontGigabytes], 1_048_576.0),
    (
        "SQS requests",
        &[Meter::QueueRequests, Meter::FifoRequests],
        1.0,
    ),
    ("secrets read", &[Meter::SecretReads], 1.0),
];

/// With three digits that mean something, and no exponent.
fn amount(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value >= 100.0 {
        return significant(value);
    }
    let decimals = (1..=9).find(|&decimals| value * 10_f64.powi(decimals) >= 100.0);
    let decimals = usize::try_from(decimals.unwrap_or(9)).unwrap_or(9);
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn dollars(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        0.01.. => format!("{value:.2}"),
        _ => amount(value),
    }
}

fn heading(f: &mut fmt::Formatter<'_>, columns: &[&str]) -> fmt::Result {
    writeln!(f, "| {} |", columns.join(" | "))?;
    writeln!(f, "| --- |{}", " ---: |".repeat(columns.len() - 1))
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, cells: &[String]) -> fmt::Result {
    writeln!(f, "| {name} | {} |", cells.join(" | "))
}

impl DayReport<'_> {
    fn counted(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = COLUMNS.map(|(name, _, _)| name);
        heading(
            f,
            &[&["counted", "times"], &columns[..], &["CPU s", "delivered"]].concat(),
        )?;
        for Counts {
            step,
            times,
            spending,
        } in self.0
        {
            let cell = |(_, meters, times): (&str, &[Meter], f64)| {
                let units = meters.iter().map(|&meter| spending.used.units(meter));
                amount(units.sum::<f64>() * times)
            };
            let mut cells = vec![amount(*times)];
            cells.extend(COLUMNS.map(cell));
            cells.extend([amount(spending.cpu_secs), amount(spending.delivered)]);
            row(f, &step.to_string(), &cells)?;
        }
        Ok(())
    }

    fn steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = Service::ALL.map(Service::name);
        heading(
            f,
            &[
                &["dollars for a million"],
                &services[..],
                &["together", "of this day"],
            ]
            .concat(),
        )?;
        for counts in self.0 {
            let million = counts.for_each(counts.times) * 1e6;
            let services = Service::ALL.map(|service| dollars(million.dollars_of(service)));
            let day = amount(counts.spending.used.dollars());
            let cells = [&services[..], &[dollars(million.dollars()), day]].concat();
            row(f, &counts.step.to_string(), &cells)?;
        }
        Ok(())
    }

    fn figures(f: &mut fmt::Formatter<'_>, what: &str, figures: &[Figure]) -> fmt::Result {
        let columns = Service::ALL.map(Service::name);
        heading(f, &[&[what], &columns[..], &["together"]].concat())?;
        for figure in figures {
            let services = Service::ALL.map(|service| {
                let fixed = match service {
                    Service::Around => figure.fixed_dollars,
                    Service::ApiGateway
                    | Service::DynamoDb
                    | Service::Lambda
                    | Service::Sqs
                    | Service::CloudFront => 0.0,
                };
                dollars(figure.used.dollars_of(service) + fixed)
            });
            let together = dollars(figure.used.dollars() + figure.fixed_dollars);
            row(f, figure.name, &[&services[..], &[together]].concat())?;
        }
        Ok(())
    }

    fn peers(f: &mut fmt::Formatter<'_>, figures: &[&Figure]) -> fmt::Result {
        let names = figures.iter().map(|figure| figure.name);
        let columns: Vec<&str> = ["dollars"].into_iter().chain(names).collect();
        heading(f, &columns)?;
        let ours = figures.iter().map(|figure| dollars(figure.used.dollars()));
        row(f, "this, on AWS", &ours.collect::<Vec<_>>())?;
        for peer in Peer::ALL {
            let theirs = figures.iter().map(|figure| {
                let load = figure.load;
                load.map_or_else(String::new, |load| dollars(peer.dollars(load)))
            });
            row(f, peer.name(), &theirs.collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

impl fmt::Display for DayReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counted(f)?;
        writeln!(f)?;
        self.steps(f)?;
        let month = Month(self.0);
        let (deliveries, months) = (month.deliveries(), month.months());
        writeln!(f)?;
        Self::figures(f, "dollars for a million delivered", &deliveries)?;
        writeln!(f)?;
        Self::figures(f, "dollars a month", &months)?;
        writeln!(f)?;
        let figures = deliveries.iter().chain(&months);
        let comparable: Vec<&Figure> = figures.filter(|figure| figure.load.is_some()).collect();
        Self::peers(f, &comparable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_three_digits_that_mean_something() {
        for (value, text) in [
            (0.0, "0"),
            (1_234_567.4, "1,234,567"),
            (100.0, "100"),
            (12.345, "12.3"),
            (1.5, "1.5"),
            (0.000_012_34, "0.0000123"),
        ] {
            assert_eq!(amount(value), text);
        }
    }
}
