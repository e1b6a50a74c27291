//! Responses that come bit by bit.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use http_body::Frame;
use http_body_util::StreamBody;
use lambda_http::{Body, Response};

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
