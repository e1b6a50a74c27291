//! The storm: a random, bounded load on the real system, under random faults, and a checker of what clients saw.

mod check;
mod history;
mod shrink;
