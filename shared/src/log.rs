//! How a fault is logged: always with its type, by which alarms filter, and with everything that caused it. It
//! knows no other folder but the model.

/// Logs a fault at a level, with more fields and a message: `log_fault!(error, fault, channel = %of, "not read")`.
macro_rules! log_fault {
    ($level:ident, $fault:expr, $($said:tt)+) => {{
        let fault: &$crate::model::error::Fault = &$fault;
        tracing::$level!(
            error_type = fault.error_type(),
            error = $crate::model::error::chain(fault),
            $($said)+
        );
    }};
}

pub(crate) use log_fault;
