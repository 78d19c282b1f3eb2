//! What a handler gives back for one request.

use std::collections::VecDeque;
use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;

use bytes::{Buf, Bytes};

/// The outcome of one request, encoded or to be awaited.
pub(crate) enum Reply {
    /// An answer to write.
    Answer(Answer),
    /// The protocol asks for none (`acks=0`).
    Silence,
    /// The connection ends here, for this reason.
    Close(String),
    /// The answer comes later.
    Later {
        /// What it holds back.
        hold: Hold,
        /// The answer.
        answer: Pin<Box<dyn Future<Output = Reply> + Send>>,
    },
}

/// What an answer that comes later holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nothing: the connection's next request is handled meanwhile.
    Pipelined,
    /// The next request, while there is somebody to answer.
    Parked,
    /// The next request in any case: this one has not even begun.
    Delayed,
}

/// What a handler decided, still as a message.
pub(crate) enum Handled<R> {
    /// Answered at once.
    Now(R),
    /// The protocol asks for no answer.
    Silent,
    /// The connection ends, for this reason.
    Close(String),
    /// Answered once the journal has it; the connection goes on meanwhile.
    Pipelined(Pin<Box<dyn Future<Output = R> + Send>>),
    /// Answered when something happens; the connection's next request waits.
    Parked(Pin<Box<dyn Future<Output = R> + Send>>),
    /// Not even begun: there is no room at the moment. The connection's next request waits.
    Delayed(Pin<Box<dyn Future<Output = Handled<R>> + Send>>),
}

/// Encoded answers as the chunks they consist of, written without joining them.
#[derive(Default)]
pub(crate) struct Answer {
    chunks: VecDeque<Bytes>,
    remaining: usize,
}

impl Answer {
    /// Adds a chunk.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.remaining += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    /// Puts another answer behind this one.
    pub(crate) fn join(&mut self, other: Answer) {
        self.remaining += other.remaining;
        self.chunks.extend(other.chunks);
    }
}

impl FromIterator<Bytes> for Answer {
    fn from_iter<I: IntoIterator<Item = Bytes>>(chunks: I) -> Answer {
        let mut answer = Answer::default();
        chunks.into_iter().for_each(|chunk| answer.push(chunk));
        answer
    }
}

impl Buf for Answer {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(chunk);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "no more is written than there is");
        self.remaining -= count;
        while count > 0 {
            let front = self.chunks.front_mut().expect("remaining counts the chunks");
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.chunks.pop_front();
        }
    }
}
