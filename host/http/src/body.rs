//! Request bodies: collected whole, within bounds of size and time.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::{body::Body, header::HeaderMap};
use tokio::time::{Instant, timeout_at};

/// How slowly a body may come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyRate {
    /// Time in which it may come as slowly as it likes.
    pub grace: Duration,
    /// What must have come on average after that; above zero.
    pub bytes_per_second_min: u32,
}

impl BodyRate {
    /// 1 KiB/s or more after 10 s.
    pub const DEFAULT: Self = Self { grace: Duration::from_secs(10), bytes_per_second_min: 1 << 10 };
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyLimits {
    pub bytes_max: usize,
    pub rate: BodyRate,
}

impl BodyLimits {
    /// At most `bytes_max` bytes, at the default rate.
    pub const fn bytes(bytes_max: usize) -> Self {
        Self { bytes_max, rate: BodyRate::DEFAULT }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("the body came too slowly")]
    TooSlow,
    #[error("the body ended early")]
    Broken(#[source] hyper::Error),
}

/// What is read and thrown away of a body that is too large, so that the client gets to read why: most write the whole
/// body before they look at the answer.
const DISCARD_BYTES_MAX: usize = 32 << 20;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);

/// The whole body. One that comes in one piece is not copied.
pub async fn collect<B>(mut body: B, headers: &HeaderMap, limits: BodyLimits) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let too_large = BodyError::TooLarge { max: limits.bytes_max };
    if body.size_hint().lower() > limits.bytes_max as u64 {
        // A client that asks first has not sent anything and will not.
        if !headers.contains_key(hyper::header::EXPECT) {
            discard(body).await;
        }
        return Err(too_large);
    }
    let started = Instant::now();
    let mut pieces = Pieces::default();
    loop {
        let earned =
            Duration::from_secs_f64(pieces.len() as f64 / f64::from(limits.rate.bytes_per_second_min));
        let frame = match timeout_at(started + limits.rate.grace + earned, body.frame()).await {
            Err(_) => return Err(BodyError::TooSlow),
            Ok(None) => return Ok(pieces.join()),
            Ok(Some(Err(error))) => return Err(BodyError::Broken(error)),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(piece) = frame.into_data() else { continue };
        if pieces.len() + piece.len() > limits.bytes_max {
            discard(body).await;
            return Err(too_large);
        }
        pieces.push(piece, body.size_hint().lower());
    }
}

async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let drop_all = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > DISCARD_BYTES_MAX {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME_MAX, drop_all).await;
}

#[derive(Default)]
struct Pieces {
    first: Bytes,
    all: BytesMut,
}

impl Pieces {
    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    /// `remaining`: bytes that are known to follow.
    fn push(&mut self, piece: Bytes, remaining: u64) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.all.is_empty() {
            let remaining = usize::try_from(remaining).unwrap_or(0);
            self.all.reserve(self.first.len() + piece.len() + remaining);
            self.all.extend_from_slice(&self.first);
            self.first.clear();
        }
        self.all.extend_from_slice(piece.chunk());
    }

    fn join(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_piece_is_not_copied() {
        let piece = Bytes::from_static(b"hello");
        let mut pieces = Pieces::default();
        pieces.push(piece.clone(), 0);
        assert_eq!(pieces.len(), 5);
        assert_eq!(pieces.join().as_ptr(), piece.as_ptr());
    }

    #[test]
    fn pieces_are_joined_in_order() {
        let mut pieces = Pieces::default();
        for piece in ["a", "bc", "", "d"] {
            pieces.push(Bytes::from_static(piece.as_bytes()), 3);
        }
        assert_eq!(pieces.len(), 4);
        assert_eq!(pieces.join(), "abcd");
    }
}
