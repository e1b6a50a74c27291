//! The template, against what the functions really do and what the local host really allows them.

mod front;
mod local_host;
mod parsed;
mod policies;
mod queues;
mod use_cases;
mod variables;
