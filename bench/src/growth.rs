//! What one publication costs as its channel grows: measured up to 100,000 recipients with the real functions,
//! and by a model for a million on AWS.
//!
//! | module | owns |
//! | --- | --- |
//! | [`model`] | a publication on AWS, calculated and simulated: pure |
//! | [`subscribers`], [`measured_system`], [`measure`] | the rows of a channel; the real system; its figures |
//! | [`fit`], [`plot`], [`report`] | a line through figures, a picture, the page |
//! | [`benchmark`], [`threshold`] | the two benchmarks |

pub(crate) mod benchmark;
mod fit;
mod measure;
mod measured_system;
mod model;
mod plot;
mod report;
mod subscribers;
pub(crate) mod threshold;
