//! The calm after it: what is shown then, and everybody's going.

use super::{CHANNELS, Model};
use crate::storm::history::{
    Cost, Hook, Part, Reading, Row, SECOND, Shown, Step, What, is_presence,
};

impl Model {
    pub(super) fn settle(&mut self) {
        self.happens(What::Begins(Part::Calm));
        self.now += 60 * SECOND;
        for _ in 0..60 {
            self.read();
        }
        for reader in 0..5 {
            self.reads(reader, Reading::UpToDate);
        }
        self.now += 10 * SECOND;
        for channel in CHANNELS
            .into_iter()
            .filter(|channel| channel.starts_with('1'))
        {
            let is_there = !self.on(channel).is_empty();
            let name = if is_there {
                "channel_occupied"
            } else {
                "channel_vacated"
            };
            self.happens(What::Hook(Hook {
                name: name.to_owned(),
                channel: channel.to_owned(),
                user: None,
                time_ms: 7,
                signed: true,
            }));
        }
        self.happens(What::Begins(Part::Settled));
        let mut occupied = Vec::new();
        for channel in CHANNELS {
            let (name, since, count) =
                (channel.to_owned(), self.now, self.on(channel).len() as u64);
            let mut shown = vec![Shown::Log {
                channel: name.clone(),
                events: self.logs[channel].clone(),
            }];
            if is_presence(channel) {
                shown.push(Shown::Users {
                    channel: name.clone(),
                    users: self.users(channel),
                });
            } else {
                shown.push(Shown::Count {
                    channel: name.clone(),
                    count,
                });
            }
            for shown in shown {
                self.happens(What::Shown { since, shown });
            }
            if channel.starts_with('1') {
                occupied.extend((count > 0).then_some(name));
            }
        }
        let (since, app) = (self.now, "1".to_owned());
        let shown = Shown::Occupied {
            app,
            channels: occupied,
        };
        self.happens(What::Shown { since, shown });
        let owned: Vec<u32> = self.there.keys().copied().collect();
        for conn in owned {
            let row = Row {
                name: format!("own of {conn}"),
                socket_id: format!("{conn}.{conn}"),
                mark: false,
            };
            self.happens(What::Row(row));
        }
        let (action, posts) = ("connect".to_owned(), 1);
        self.happens(What::Cost(Cost {
            action,
            writes: 1,
            reads: 0,
            read_units: 0.0,
            posts,
            asked: Vec::new(),
        }));
        self.now += 10 * SECOND;
        self.happens(What::Begins(Part::Leaving));
        let open: Vec<u32> = self.there.keys().copied().collect();
        for conn in open {
            self.step(conn, Step::Leaves);
        }
        self.happens(What::Begins(Part::Over));
    }
}
