//! The published prices of other services, in dollars.
//!
//! None of them is the same service: docs/costs.md says what each includes.

use super::prices::MINUTES_A_MONTH;

/// Something to be paid for, in a month.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) connections: f64,
    /// Messages that arrive at a client.
    pub(crate) delivered: f64,
    /// Messages that are published.
    pub(crate) published: f64,
    /// Channels that are in use all month.
    pub(crate) channels: f64,
}

impl Usage {
    fn messages(self) -> f64 {
        self.delivered + self.published
    }

    fn connection_minutes(self) -> f64 {
        self.connections * MINUTES_A_MONTH
    }
}

/// Somebody else's service.
#[derive(Clone, Copy)]
pub(crate) enum Peer {
    AppSyncEvents,
    Ably,
    Pusher,
}

/// A plan of Pusher's: dollars a month, connections at once, messages a day.
const PUSHER_PLANS: [(f64, f64, f64); 5] = [
    // pusher.com/channels/pricing as api-evangelist/pusher has it (plans/pusher-plans-pricing.yml, 2026-05-08): Startup, Pro,
    // Business; the last one, Growth Plus, is its rate-limits/pusher-rate-limits.yml's. Those between are left out.
    (49.0, 500.0, 1e6),
    (99.0, 2_000.0, 4e6),
    (299.0, 5_000.0, 10e6),
    (1_199.0, 30_000.0, 90e6),
    // Beyond it the price is not published.
    (f64::INFINITY, f64::INFINITY, f64::INFINITY),
];
/// Days of 730 hours.
const DAYS_A_MONTH: f64 = 730.0 / 24.0;

impl Peer {
    pub(crate) const ALL: [Self; 3] = [Self::AppSyncEvents, Self::Ably, Self::Pusher];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AppSyncEvents => "AWS AppSync Events",
            Self::Ably => "Ably, by usage",
            Self::Pusher => "Pusher Channels, the plan that holds it",
        }
    }

    /// What it costs for a month.
    pub(crate) fn dollars(self, load: Usage) -> f64 {
        match self {
            // aws.amazon.com/appsync/pricing (2026-09-11): $1.00 for a million operations, which are messages of up to 5 KB
            // in and out, $0.08 for a million minutes.
            Self::AppSyncEvents => {
                (load.messages() * 1.00 + load.connection_minutes() * 0.08) / 1e6
            }
            // ably.com/docs/platform/pricing/resource-based, ably.com/pricing (2026-05-08): $2.50 for a million messages in
            // and out, $1.00 for a million minutes of connections and of channels each. The package, from $29 a month,
            // comes on top, and new accounts pay by user instead.
            Self::Ably => {
                let channel_minutes = load.channels * MINUTES_A_MONTH;
                (load.messages() * 2.50 + load.connection_minutes() + channel_minutes) / 1e6
            }
            Self::Pusher => {
                let messages_a_day = load.messages() / DAYS_A_MONTH;
                PUSHER_PLANS
                    .into_iter()
                    .find(|&(_, connections, messages)| {
                        load.connections <= connections && messages_a_day <= messages
                    })
                    .map_or(f64::INFINITY, |(dollars, _, _)| dollars)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_cost_what_their_price_lists_say() {
        let idle = Usage {
            connections: 1_000.0,
            delivered: 0.0,
            published: 0.0,
            channels: 0.0,
        };
        let busy = Usage {
            delivered: 43_800_000.0,
            published: 2_190_000.0,
            channels: 50.0,
            ..idle
        };
        for (peer, of_idle, of_busy) in [
            (Peer::AppSyncEvents, 3.504, 3.504 + 45.99),
            (Peer::Ably, 43.8, 43.8 + 114.975 + 2.19),
            (Peer::Pusher, 99.0, 99.0),
        ] {
            assert!((peer.dollars(idle) - of_idle).abs() < 1e-9);
            assert!((peer.dollars(busy) - of_busy).abs() < 1e-9);
        }
    }
}
