//! What servers ask for, and where readers begin.

use super::world::{CHANNELS, USERS, random};

/// A server of an app's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServerPlan {
    pub(crate) app: usize,
    pub(crate) calls: Vec<(u64, Call)>,
}

/// Something that a server asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    Publish {
        channels: Vec<usize>,
        keyed: bool,
        bytes: usize,
        /// Whether it leaves out somebody who is there.
        leaves_out: bool,
    },
    /// Several events in one request.
    Batch {
        channels: Vec<usize>,
        keyed: bool,
    },
    ToUser(usize),
    /// With a signature that is none.
    PublishWrongly(usize),
    List,
    Count(usize),
    Users(usize),
    /// Ends the connections of a user.
    End(usize),
}

impl Call {
    /// What it can be switched off by.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::ToUser(_) => Some("users"),
            Self::End(_) => Some("endings"),
            Self::Users(_) => Some("presence"),
            Self::Publish { .. }
            | Self::Batch { .. }
            | Self::PublishWrongly(_)
            | Self::List
            | Self::Count(_) => None,
        }
    }
}

/// A reader that has no connection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReaderPlan {
    pub(crate) app: usize,
    pub(crate) kind: Kind,
    pub(crate) channels: Vec<usize>,
    /// Whether it begins with what is published from then on, or with all that is kept.
    pub(crate) now: bool,
    pub(crate) token: Grant,
    pub(crate) starts_at: u64,
}

/// How it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
    Poll,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stream => "streams",
            Self::Poll => "polls",
        }
    }
}

/// What a reader's token grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// It brings none.
    None,
    /// What it reads.
    These,
    /// Something else.
    Others,
}

pub(super) fn servers(seed: u64, millis: u64) -> Vec<ServerPlan> {
    let of = |(number, app): (u64, usize)| {
        let mut random = random(seed, 2_000 + number);
        let (mut at, mut calls) = (500 + random.u64(..500), Vec::new());
        let pause = if app == 0 { 60..700 } else { 300..1_500 };
        while at < millis {
            calls.push((at, call(&mut random, app)));
            at += random.u64(pause.clone());
        }
        ServerPlan { app, calls }
    };
    (0..).zip([0, 0, 0, 1]).map(of).collect()
}

fn call(random: &mut fastrand::Rng, app: usize) -> Call {
    let channel = random.usize(..CHANNELS.len());
    let keyed = random.bool();
    match random.u8(..100) {
        0..60 => {
            let mut channels = vec![channel];
            if random.u8(..4) == 0 {
                channels.push((channel + 1 + random.usize(..7)) % CHANNELS.len());
            }
            Call::Publish {
                channels,
                keyed,
                bytes: if random.u8(..10) == 0 {
                    random.usize(..9_000)
                } else {
                    random.usize(..200)
                },
                leaves_out: random.u8(..6) == 0,
            }
        }
        60..70 => Call::Batch {
            channels: (0..random.usize(2..6))
                .map(|_| random.usize(..CHANNELS.len()))
                .collect(),
            keyed,
        },
        70..76 => Call::ToUser(random.usize(..USERS)),
        76..78 => Call::PublishWrongly(channel),
        78..83 => Call::List,
        83..91 => Call::Count(random.usize(..6)),
        91..98 => Call::Users(6 + random.usize(..3)),
        _ if app == 0 => Call::End(random.usize(..USERS)),
        _ => Call::List,
    }
}

pub(super) fn readers(seed: u64, millis: u64) -> Vec<ReaderPlan> {
    let of = |number: u64| {
        let mut random = random(seed, 3_000 + number);
        let kind = if number.is_multiple_of(2) {
            Kind::Stream
        } else {
            Kind::Poll
        };
        let token = match number {
            3 | 4 => Grant::These,
            5 => Grant::Others,
            6 => Grant::None,
            _ => Grant::None,
        };
        let mut channels: Vec<usize> = match number {
            // Of those that are anybody's.
            0..3 | 7.. => vec![0, 1, 2],
            _ => vec![3, 4, 5, 6, 0],
        };
        random.shuffle(&mut channels);
        channels.truncate(random.usize(1..=3));
        if (5..7).contains(&number) && !channels.iter().any(|&channel| channel > 2) {
            channels.push(4);
        }
        ReaderPlan {
            app: 0,
            kind,
            channels,
            // A stream always begins so.
            now: kind == Kind::Stream || random.bool(),
            token,
            starts_at: random.u64(..millis / 2 + 1),
        }
    };
    (0..10).map(of).collect()
}
