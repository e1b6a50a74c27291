//! What a connection hears: written down, and handed on.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use crate::storm::history::Step;
use crate::storm::outside::Outside;
use crate::storm::wire::App;

/// How a connection ended that no close frame ended.
pub(super) const BROKEN: u16 = 1006;

/// Writes down what a connection hears, and hands it on.
#[derive(Clone)]
pub(super) struct Ear {
    pub(super) conn: u32,
    pub(super) app: &'static App,
    pub(super) outside: Arc<Outside>,
    pub(super) heard: UnboundedSender<Step>,
}

impl Ear {
    pub(super) fn frame(&self, text: &str) {
        self.step(self.app.heard(text));
    }

    pub(super) fn step(&self, step: Step) {
        self.outside.recorder.step(self.conn, step.clone());
        // Whoever listens may be gone.
        let _ = self.heard.send(step);
    }
}
