//! Bodies of the functions whose responses come bit by bit.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use lambda_http::Response;
use lambda_http::http::{HeaderName, HeaderValue, header};

/// A body that comes bit by bit.
pub type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// Nothing on the way may keep it or hold it back.
pub const UNBUFFERED: [(HeaderName, HeaderValue); 2] = [
    (
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-transform"),
    ),
    (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    ),
];

/// A body of what is still to come.
#[must_use]
pub fn body(chunks: BoxStream<'static, Bytes>) -> Body {
    StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk))).boxed())
}

/// A response that is there already.
#[must_use]
pub fn whole(response: Response<lambda_http::Body>) -> Response<Body> {
    response.map(|whole| {
        let whole = Bytes::copy_from_slice(&whole);
        body(stream::iter([whole]).boxed())
    })
}
