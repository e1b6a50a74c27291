//! Responses that come bit by bit.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use http_body::Frame;
use http_body_util::StreamBody;
use lambda_http::http::{HeaderName, HeaderValue, header};
use lambda_http::{Body, Response};

/// The headers of a response of this type that nothing on the way may keep or hold back.
#[must_use]
pub fn headers(content_type: HeaderValue) -> [(HeaderName, HeaderValue); 3] {
    [
        (header::CONTENT_TYPE, content_type),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store, no-transform"),
        ),
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ]
}

/// A body that comes bit by bit, and never fails.
pub type Streamed = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// A body of these chunks.
#[must_use]
pub fn body(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Streamed {
    StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk))).boxed())
}

/// An answer that is there already, for whoever streams the others.
#[must_use]
pub fn whole(response: Response<Body>) -> Response<Streamed> {
    response.map(|whole| body(stream::iter([Bytes::copy_from_slice(&whole)])))
}
