//! The command line: its arguments, and the text that is printed at the start. It knows values
//! only: it starts nothing and listens nowhere.

pub mod apps;
pub mod args;
pub mod banner;
pub mod choices;
