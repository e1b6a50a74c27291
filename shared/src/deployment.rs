//! What a function has from its start to its end: the services, and the apps as their secret has them now. It
//! knows no use case.

mod apps;
pub mod secret_cache;

pub use self::apps::Deployment;
