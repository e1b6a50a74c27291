//! Every write of every use case, made to fail in every way that AWS has, and what must be true
//! afterwards all the same.

#[path = "crash/attending.rs"]
mod attending;
#[path = "crash/connecting.rs"]
mod connecting;
#[path = "crash/delivering.rs"]
mod delivering;
#[path = "crash/joining.rs"]
mod joining;
#[path = "crash/leaving.rs"]
mod leaving;
#[path = "crash/picking_up.rs"]
mod picking_up;
#[path = "crash/publishing.rs"]
mod publishing;
#[path = "crash/repeating.rs"]
mod repeating;
#[path = "crash/resuming.rs"]
mod resuming;
#[path = "crash/signing_in.rs"]
mod signing_in;
#[path = "crash/spreading.rs"]
mod spreading;
#[path = "crash/stage.rs"]
mod stage;
#[path = "crash/telling.rs"]
mod telling;
