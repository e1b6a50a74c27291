//! What will be done, and what will go wrong: all of it depends on the seed alone. Pure.
//!
//! | module | what it plans |
//! | --- | --- |
//! | [`world`] | apps, channels and users |
//! | [`acts`] | what each client does |
//! | [`calls`] | what servers and readers do |
//! | [`faults`] | what goes wrong, and when |
//! | [`whole`] | all of it |
//!
//! The plan of a seed is always made in full. What is switched off is taken out afterwards, so that the rest stays
//! the same.

pub(crate) mod acts;
pub(crate) mod calls;
pub(crate) mod faults;
pub(crate) mod whole;
pub(crate) mod world;
