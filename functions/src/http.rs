//! Requests and responses of the HTTP functions, in the form that API Gateway and function URLs have. It
//! knows no use case.

pub mod browsers;
pub mod origin;
pub mod request;
pub mod response;
pub mod serve;
pub mod streaming;
