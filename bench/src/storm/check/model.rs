//! A system that keeps every promise, as far as its clients can see it: what it leaves is a good history, however long.

mod settled;

use std::collections::{BTreeMap, BTreeSet};

use crate::storm::history::{
    Entry, Facts, From, Micros, Publish, Reading, Step, What, is_presence, keeps_last,
};

pub(super) const CHANNELS: [&str; 5] = ["1/a", "1/private-b", "1/presence-c", "1/cache-d", "2/a"];
const CLIENTS: u32 = 6;

/// A connection that is there.
struct There {
    client: u32,
    app: &'static str,
    user: String,
    /// The channels that it is on.
    on: BTreeSet<&'static str>,
    /// The highest serial that it has of each channel, for when it comes back.
    has: BTreeMap<&'static str, u64>,
}

/// The system.
pub(super) struct Model {
    random: fastrand::Rng,
    now: Micros,
    history: Vec<Entry>,
    there: BTreeMap<u32, There>,
    /// What clients had that are away, and where they were.
    away: BTreeMap<u32, BTreeMap<&'static str, u64>>,
    logs: BTreeMap<&'static str, Vec<(u64, u32)>>,
    connections: u32,
    events: u32,
    /// Where the one reader of each channel is, and whether it was let in.
    readers: BTreeMap<&'static str, u64>,
}

/// A good history.
pub(super) fn good(seed: u64) -> Vec<Entry> {
    let mut model = Model {
        random: fastrand::Rng::with_seed(seed),
        now: 0,
        history: Vec::new(),
        there: BTreeMap::new(),
        away: BTreeMap::new(),
        logs: CHANNELS
            .into_iter()
            .map(|channel| (channel, Vec::new()))
            .collect(),
        connections: 0,
        events: 0,
        readers: BTreeMap::new(),
    };
    model.happens(What::Facts(Facts {
        inline_max: 1_000,
        per_shard: 1_000,
        members_max: 100,
        featured: "1".to_owned(),
    }));
    model.storm();
    model.settle();
    model.history
}

impl Model {
    fn happens(&mut self, what: What) {
        self.now += 1_000;
        self.history.push(Entry { at: self.now, what });
    }

    fn step(&mut self, conn: u32, step: Step) {
        self.happens(What::Connection { conn, step });
    }

    fn storm(&mut self) {
        for (n, channel) in (0..).zip(CHANNELS) {
            let from = if n == 0 { From::After(0) } else { From::Now };
            let channels = vec![(channel.to_owned(), from)];
            self.reads(
                n,
                Reading::Begins {
                    channels,
                    may: true,
                },
            );
            self.reads(n, Reading::Let);
            self.readers.insert(channel, 0);
        }
        for _ in 0..400 {
            self.now += self.random.u64(1_000..300_000);
            match self.random.u8(..10) {
                0 | 1 => self.open(),
                2 => self.leave(),
                3 | 4 => self.subscribe(),
                5 => self.unsubscribe(),
                6 => self.say(),
                7 => self.read(),
                _ => self.publish(),
            }
        }
    }

    fn reads(&mut self, reader: u32, step: Reading) {
        self.happens(What::Reader { reader, step });
    }

    /// Any connection that is there.
    fn any(&mut self) -> Option<u32> {
        let all: Vec<u32> = self.there.keys().copied().collect();
        self.random.choice(all)
    }

    fn open(&mut self) {
        let client = self.random.u32(..CLIENTS);
        if self.there.values().any(|there| there.client == client) {
            return;
        }
        let conn = self.connections;
        self.connections += 1;
        let app = if client == 0 { "2" } else { "1" };
        let opens = Step::Opens {
            client,
            app: app.to_owned(),
            may: true,
        };
        self.step(conn, opens);
        self.step(
            conn,
            Step::Greeted {
                socket_id: format!("{conn}.{conn}"),
            },
        );
        let user = format!("{app}/u{}", client % 3);
        let there = There {
            client,
            app,
            user,
            on: BTreeSet::new(),
            has: BTreeMap::new(),
        };
        self.there.insert(conn, there);
        for (channel, after) in self.away.remove(&client).unwrap_or_default() {
            self.join(conn, channel, Some(after));
        }
    }

    fn subscribe(&mut self) {
        let channel = CHANNELS[self.random.usize(..CHANNELS.len())];
        let Some(conn) = self.any() else { return };
        let there = &self.there[&conn];
        if channel.starts_with(there.app) && !there.on.contains(channel) {
            self.join(conn, channel, None);
        }
    }

    fn on(&self, channel: &str) -> Vec<u32> {
        let on = self
            .there
            .iter()
            .filter(|(_, there)| there.on.contains(channel));
        on.map(|(&conn, _)| conn).collect()
    }

    fn users(&self, channel: &str) -> Vec<String> {
        let users: BTreeSet<String> = self
            .on(channel)
            .iter()
            .map(|conn| self.there[conn].user.clone())
            .collect();
        users.into_iter().collect()
    }

    fn join(&mut self, conn: u32, channel: &'static str, after: Option<u64>) {
        let user = is_presence(channel).then(|| self.there[&conn].user.clone());
        let name = channel.to_owned();
        let subscribes = Step::Subscribes {
            channel: name.clone(),
            after,
            user: user.clone(),
            may: true,
        };
        self.step(conn, subscribes);
        let before = self.users(channel);
        self.there.get_mut(&conn).expect("there").on.insert(channel);
        let roster = is_presence(channel).then(|| self.users(channel));
        self.step(
            conn,
            Step::Acknowledged {
                channel: name.clone(),
                roster,
            },
        );
        let log = self.logs[channel].clone();
        let missed = log
            .iter()
            .filter(|(serial, _)| after.is_some_and(|after| *serial > after));
        let last = log
            .last()
            .filter(|_| after.is_none() && keeps_last(channel));
        for &(serial, event) in missed.chain(last) {
            self.got(conn, channel, event, Some(serial));
        }
        let tip = log.last().map_or(0, |(serial, _)| *serial);
        self.there
            .get_mut(&conn)
            .expect("there")
            .has
            .insert(channel, tip);
        if let Some(user) = user.filter(|user| !before.contains(user)) {
            self.tell(
                channel,
                Some(conn),
                &Step::Added {
                    channel: name,
                    user,
                },
            );
        }
        self.count(channel);
    }

    fn tell(&mut self, channel: &str, but: Option<u32>, step: &Step) {
        for conn in self.on(channel) {
            if Some(conn) != but {
                self.step(conn, step.clone());
            }
        }
    }

    fn count(&mut self, channel: &str) {
        if channel.starts_with('1') && !is_presence(channel) {
            let count = self.on(channel).len() as u64;
            self.tell(
                channel,
                None,
                &Step::Counted {
                    channel: channel.to_owned(),
                    count,
                },
            );
        }
    }

    fn gone(&mut self, channel: &str, user: String) {
        let channel = channel.to_owned();
        if is_presence(&channel) && !self.users(&channel).contains(&user) {
            self.tell(
                &channel.clone(),
                None,
                &Step::Removed {
                    channel: channel.clone(),
                    user,
                },
            );
        }
        self.count(&channel);
    }

    fn unsubscribe(&mut self) {
        let Some(conn) = self.any() else { return };
        let there = self.there.get_mut(&conn).expect("there");
        let on: Vec<&str> = there.on.iter().copied().collect();
        let Some(channel) = self.random.choice(on) else {
            return;
        };
        let user = there.user.clone();
        there.on.remove(channel);
        self.step(
            conn,
            Step::Unsubscribes {
                channel: channel.to_owned(),
            },
        );
        self.gone(channel, user);
    }

    fn leave(&mut self) {
        let Some(conn) = self.any() else { return };
        let ending = if self.random.bool() {
            Step::Leaves
        } else {
            Step::Closed { code: 1006 }
        };
        self.step(conn, ending);
        let there = self.there.remove(&conn).expect("there");
        for &channel in &there.on {
            self.gone(channel, there.user.clone());
        }
        let mut has = there.has;
        has.retain(|channel, _| there.on.contains(channel));
        self.away.insert(there.client, has);
    }

    fn got(&mut self, conn: u32, channel: &'static str, event: u32, serial: Option<u64>) {
        self.step(
            conn,
            Step::Got {
                channel: channel.to_owned(),
                event,
                serial,
            },
        );
        if let Some(serial) = serial {
            self.there
                .get_mut(&conn)
                .expect("there")
                .has
                .insert(channel, serial);
        }
    }

    fn publish(&mut self) {
        let channel = CHANNELS[self.random.usize(..CHANNELS.len())];
        let event = self.events;
        self.events += 1;
        let left_out = self.any().filter(|_| self.random.u8(..4) == 0);
        self.happens(What::Publishes(Publish {
            call: event,
            event,
            channels: vec![channel.to_owned()],
            keyed: self.history.len().is_multiple_of(2),
            leaves_out: left_out.map(|conn| format!("{conn}.{conn}")),
        }));
        let serial = 100 + self.logs[channel].len() as u64;
        self.logs
            .get_mut(channel)
            .expect("known")
            .push((serial, event));
        for conn in self.on(channel) {
            if Some(conn) != left_out {
                self.got(conn, channel, event, Some(serial));
            } else {
                self.there
                    .get_mut(&conn)
                    .expect("there")
                    .has
                    .insert(channel, serial);
            }
        }
        self.happens(What::Answered {
            call: event,
            status: 200,
        });
    }

    fn say(&mut self) {
        let (Some(conn), channel) = (self.any(), "1/private-b") else {
            return;
        };
        if !self.there[&conn].on.contains(channel) {
            return;
        }
        let event = self.events;
        self.events += 1;
        self.step(
            conn,
            Step::Says {
                channel: channel.to_owned(),
                event,
            },
        );
        let got = Step::Got {
            channel: channel.to_owned(),
            event,
            serial: None,
        };
        self.tell(channel, Some(conn), &got);
    }

    fn read(&mut self) {
        let reader = self.random.u32(..5);
        let channel = CHANNELS[reader as usize];
        let behind = self.readers[channel];
        for (serial, event) in self.logs[channel].clone() {
            if serial > behind {
                self.readers.insert(channel, serial);
                self.reads(
                    reader,
                    Reading::Read {
                        channel: channel.to_owned(),
                        event,
                        serial,
                    },
                );
            }
        }
    }
}
