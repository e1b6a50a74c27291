//! Units of each meter, and what they cost.

use std::ops::{Add, Mul, Sub};

use super::prices::{Meter, Service};

/// Units of each meter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Used([f64; Meter::ALL.len()]);

impl Used {
    /// So many units of one meter.
    pub(crate) fn of(meter: Meter, units: f64) -> Self {
        let mut used = Self::default();
        used.0[meter as usize] = units;
        used
    }

    /// The units of a meter.
    pub(crate) fn units(&self, meter: Meter) -> f64 {
        self.0[meter as usize]
    }

    /// What the meters cost that are to be counted.
    fn dollars_where(&self, counts: impl Fn(Meter) -> bool) -> f64 {
        let meters = Meter::ALL.into_iter().filter(|meter| counts(*meter));
        meters.map(|meter| meter.dollars(self.units(meter))).sum()
    }

    /// What all of it costs.
    pub(crate) fn dollars(&self) -> f64 {
        self.dollars_where(|_| true)
    }

    /// What is on the bill of a service.
    pub(crate) fn dollars_of(&self, service: Service) -> f64 {
        self.dollars_where(|meter| meter.service() == service)
    }

    /// The same without a meter.
    pub(crate) fn without(mut self, meter: Meter) -> Self {
        self.0[meter as usize] = 0.0;
        self
    }

    /// The same without what functions use, and what is used around them.
    pub(crate) fn without_functions(&self) -> Self {
        let mut used = *self;
        for meter in Meter::ALL {
            match meter.service() {
                Service::Lambda | Service::DynamoDb | Service::Sqs | Service::Around => {
                    used.0[meter as usize] = 0.0;
                }
                Service::ApiGateway | Service::CloudFront => {}
            }
        }
        used
    }
}

impl Add for Used {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|meter| self.0[meter] + other.0[meter]))
    }
}

impl Sub for Used {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|meter| self.0[meter] - other.0[meter]))
    }
}

impl Mul<f64> for Used {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        Self(self.0.map(|units| units * times))
    }
}

impl std::iter::Sum for Used {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_dollars(used: Used, dollars: f64) {
        assert!((used.dollars() - dollars).abs() < 1e-9, "{used:?}");
    }

    #[test]
    fn units_cost_what_the_price_lists_say() {
        assert_dollars(Used::of(Meter::WriteUnits, 1e6), 0.625);
        assert_dollars(Used::of(Meter::ReadUnits, 8.0), 0.000_001);
        assert_dollars(Used::of(Meter::GbSeconds, 3_600.0), 0.048_000_24);
        assert_dollars(Used::of(Meter::FrontGigabytes, 2.0), 0.17);
        assert_dollars(Used::of(Meter::SecretReads, 10_000.0), 0.05);
        // Ten thousand idle sockets for a month of 730 hours.
        let minutes = Used::of(Meter::ConnectionMinutes, 10_000.0 * 730.0 * 60.0);
        assert_dollars(minutes, 109.5);
    }

    #[test]
    fn each_cost_is_on_one_services_bill() {
        let mut used = Used::default();
        for (number, meter) in (1_u32..).zip(Meter::ALL) {
            assert_eq!(meter as usize + 1, usize::try_from(number).expect("few"));
            used = used + Used::of(meter, f64::from(number));
        }
        let services = Service::ALL.map(|service| used.dollars_of(service));
        assert!((services.iter().sum::<f64>() - used.dollars()).abs() < 1e-12);
        assert!(services.iter().all(|dollars| *dollars > 0.0));
    }

    #[test]
    fn what_is_used_adds_up_and_scales() {
        let ping = Used::of(Meter::SocketMessages, 2.0) + Used::of(Meter::Invocations, 1.0);
        assert_dollars(ping * 1e6, 2.2);
        assert_dollars(ping.without_functions() * 1e6, 2.0);
        assert_dollars(ping.without(Meter::SocketMessages) * 1e6, 0.2);
        assert_dollars(ping * 3.0 - ping * 2.0 - ping, 0.0);
        assert_eq!([ping, ping].into_iter().sum::<Used>(), ping * 2.0);
    }
}
