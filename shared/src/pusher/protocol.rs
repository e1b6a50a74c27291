//! What the core is handed of this protocol.

use crate::model::error::Rejection;
use crate::model::protocol::{Protocol, Protocols};
use crate::model::socket_id::SocketId;
use crate::pusher::{frame, signature};

/// The protocols that clients speak: this one alone.
pub const PROTOCOLS: Protocols = Protocols::new(&[Protocol {
    parse: frame::parse,
    print: frame::print,
    admits: |app, id, channel, data, auth| {
        signature::admits(app, &SocketId::of(id), channel, data, auth)
    },
    signs_in: |app, id, user_data, auth| {
        signature::signs_in(app, &SocketId::of(id), user_data, auth)
    },
    close_code: Rejection::close_code,
}]);
