//! Users: signing in, watchlists, and ending a user's connections.

mod sign_in;
mod terminating;
mod watchlists;
