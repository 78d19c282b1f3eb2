//! One client's connection: frames in, answers out, in the order of the requests.
//!
//! A request is handled inline, on the task that read it. Most answers are ready at once; the others wait in a queue,
//! and only its head is ever polled:
//!
//! - a *pipelined* answer (produce, commit: it waits for the journal) lets the next request be handled meanwhile;
//! - a *parked* one (long poll, join) holds the next request back, as Kafka does, but the socket is still read, so that a
//!   client that has gone is noticed.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use ottla_wire::REQUEST_BYTES_MIN;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tracing::{debug, warn};

use crate::Broker;
use crate::dispatch;
use crate::peer::Peer;
use crate::reply::{Answer, Hold, Reply};

/// How much is read from a socket at once, at least.
const READ_SIZE: usize = 64 * 1024;
/// With less room than this left in a buffer, a new one is taken.
const READ_SIZE_LEFT_MIN: usize = 4 * 1024;
/// A frame of this size is worth a buffer of its own.
const LARGE_FRAME: usize = 16 * 1024;
/// A frame up to this size gets its whole buffer at once; a larger one grows it as its bytes arrive, so that a declared
/// length alone costs no memory.
const RESERVE_AT_ONCE_MAX: usize = 1024 * 1024;
/// Bytes of answers at which they are written before the next request is handled.
const WRITE_AT: usize = 1024 * 1024;
/// Answers that may wait on one connection before it is read no further.
const WAITING_MAX: usize = 64;

/// Why a connection ended.
enum End {
    /// The client closed it.
    ByClient,
    /// The socket failed.
    Socket(io::Error),
    /// The client broke the protocol, or its request ends the connection by the protocol's own rule.
    Refused(String),
    /// Nothing was asked for `connections.max.idle.ms`.
    Idle,
}

/// One connection with its buffers and waiting answers.
struct Connection {
    broker: Arc<Broker>,
    peer: Peer,
    socket: TcpStream,
    input: BytesMut,
    waiting: VecDeque<Waiting>,
    /// Whether the last frame was a large one; the next probably is.
    frames_are_large: bool,
    /// The client has closed its side; what it sent before is still handled.
    ended: bool,
}

/// An answer that is not ready.
struct Waiting {
    hold: Hold,
    answer: Pin<Box<dyn Future<Output = Reply> + Send>>,
}

/// Serves one client until it goes or breaks the protocol.
pub(crate) async fn serve(broker: Arc<Broker>, socket: TcpStream, peer: Peer) {
    let mut connection = Connection {
        broker,
        peer,
        socket,
        input: BytesMut::new(),
        waiting: VecDeque::new(),
        frames_are_large: false,
        ended: false,
    };
    let address = connection.peer.address;
    match connection.run().await {
        Ok(never) => match never {},
        Err(End::ByClient) => debug!(%address, "closed by the client"),
        Err(End::Idle) => debug!(%address, "closed: idle for connections.max.idle.ms"),
        Err(End::Socket(error)) => debug!(%address, %error, "connection lost"),
        Err(End::Refused(reason)) => warn!(%address, "connection closed: {reason}"),
    }
}

impl Connection {
    async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        let idle = idle_max(&self.broker);
        loop {
            self.handle_frames().await?;
            if self.ended {
                return self.end().await;
            }
            if self.waiting.is_empty() {
                match tokio::time::timeout(idle, self.read_more()).await {
                    Ok(read) => read?,
                    Err(_) => return Err(End::Idle),
                }
            } else {
                self.read_or_answer().await?;
            }
        }
    }

    /// Handles every whole frame at hand, as far as waiting answers allow.
    async fn handle_frames(&mut self) -> Result<(), End> {
        let limit = self.broker.config.network.socket_request_max_bytes as usize;
        let mut out = Answer::default();
        while self.may_handle() {
            // Many small requests may have large answers, which must not gather in memory.
            if out.remaining() > WRITE_AT {
                self.write(std::mem::take(&mut out)).await?;
            }
            let frame = ottla_wire::split(&mut self.input, REQUEST_BYTES_MIN, limit)
                .map_err(|fault| End::Refused(fault.to_string()))?;
            let Some(frame) = frame else { break };
            self.frames_are_large = frame.len() >= LARGE_FRAME;
            match dispatch::handle(&self.broker, &mut self.peer, frame) {
                Reply::Answer(answer) if self.waiting.is_empty() => out.join(answer),
                Reply::Answer(answer) => self.waiting.push_back(Waiting::ready(answer)),
                Reply::Silence => {}
                Reply::Close(reason) => {
                    self.write(out).await?;
                    return Err(End::Refused(reason));
                }
                Reply::Later { hold, answer } => self.waiting.push_back(Waiting { hold, answer }),
            }
        }
        self.write(out).await
    }

    /// Whether another request may be handled before the waiting answers have left. Once the client is gone there is
    /// nobody to park for: what it sent last (often a LeaveGroup) is handled at once.
    fn may_handle(&self) -> bool {
        let holds_back = |waiting: &Waiting| match waiting.hold {
            Hold::Pipelined => false,
            Hold::Parked => !self.ended,
            Hold::Delayed => true,
        };
        self.waiting.len() < WAITING_MAX && !self.waiting.iter().any(holds_back)
    }

    /// Waits for the oldest answer or for more input, whichever comes first.
    async fn read_or_answer(&mut self) -> Result<(), End> {
        // A client that sends on while it is parked is read no further than one frame's worth ahead.
        let read_on = self.may_handle() || self.input.len() < READ_SIZE;
        let head = self.waiting.front_mut().expect("called with answers waiting");
        tokio::select! {
            biased;
            reply = head.answer.as_mut() => {
                self.waiting.pop_front();
                self.finish(reply).await
            }
            ready = self.socket.ready(Interest::READABLE), if read_on => {
                ready.map_err(End::Socket)?;
                self.read_ready()
            }
        }
    }

    /// Writes one finished answer and every further one that is ready by now.
    async fn finish(&mut self, reply: Reply) -> Result<(), End> {
        let mut out = Answer::default();
        let mut next = Some(reply);
        while let Some(reply) = next.take() {
            match reply {
                Reply::Answer(answer) => out.join(answer),
                Reply::Silence => {}
                Reply::Close(reason) => {
                    self.write(out).await?;
                    return Err(End::Refused(reason));
                }
                Reply::Later { hold, answer } => {
                    self.waiting.push_front(Waiting { hold, answer });
                    break;
                }
            }
            next = self.poll_head().await;
        }
        self.write(out).await
    }

    /// Takes the oldest answer if it is ready now.
    async fn poll_head(&mut self) -> Option<Reply> {
        let head = self.waiting.front_mut()?;
        let reply = std::future::poll_fn(|context: &mut Context<'_>| match head.answer.as_mut().poll(context) {
            Poll::Ready(reply) => Poll::Ready(Some(reply)),
            Poll::Pending => Poll::Ready(None),
        })
        .await?;
        self.waiting.pop_front();
        Some(reply)
    }

    async fn read_more(&mut self) -> Result<(), End> {
        if self.input.is_empty() {
            // An idle connection holds no buffer.
            self.input = BytesMut::new();
            self.socket.readable().await.map_err(End::Socket)?;
        }
        self.make_room();
        let read = self.socket.read_buf(&mut self.input).await.map_err(End::Socket)?;
        self.ended |= read == 0;
        Ok(())
    }

    /// Reads what is there without waiting.
    fn read_ready(&mut self) -> Result<(), End> {
        self.make_room();
        match self.socket.try_read_buf(&mut self.input) {
            Ok(read) => self.ended |= read == 0,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(End::Socket(error)),
        }
        Ok(())
    }

    /// A frame that has begun gets a buffer of exactly its size, so that its batches can be kept without keeping more, and
    /// are not copied. Where frames are large, little is read before the length is known; else, many at once.
    fn make_room(&mut self) {
        let left = self.input.capacity() - self.input.len();
        let wanted = match missing(&self.input) {
            Some(missing) if left < missing => missing.min(RESERVE_AT_ONCE_MAX.max(self.input.len())),
            None if left == 0 || (!self.frames_are_large && left < READ_SIZE_LEFT_MIN) => {
                if self.frames_are_large {
                    READ_SIZE_LEFT_MIN
                } else {
                    READ_SIZE
                }
            }
            _ => return,
        };
        let mut larger = BytesMut::with_capacity(self.input.len() + wanted);
        larger.extend_from_slice(&self.input);
        self.input = larger;
    }

    async fn write(&mut self, mut out: Answer) -> Result<(), End> {
        while out.has_remaining() {
            let written = tokio::time::timeout(idle_max(&self.broker), self.socket.write_buf(&mut out)).await;
            written.map_err(|_| End::Idle)?.map_err(End::Socket)?;
        }
        Ok(())
    }

    /// The client has closed its side: what it sent whole is still handled, pipelined answers still go out (it may read
    /// on), parked ones are dropped.
    async fn end(&mut self) -> Result<std::convert::Infallible, End> {
        loop {
            self.handle_frames().await?;
            match self.waiting.pop_front() {
                None => return Err(End::ByClient),
                Some(waiting) if waiting.hold == Hold::Parked => {}
                Some(waiting) => {
                    let reply = waiting.answer.await;
                    self.finish(reply).await?;
                }
            }
        }
    }
}

impl Waiting {
    fn ready(answer: Answer) -> Waiting {
        Waiting {
            hold: Hold::Pipelined,
            answer: Box::pin(std::future::ready(Reply::Answer(answer))),
        }
    }
}

/// `connections.max.idle.ms`; without a limit, longer than any connection lasts.
fn idle_max(broker: &Broker) -> Duration {
    const NO_LIMIT: Duration = Duration::from_secs(60 * 60 * 24 * 365);
    let limit = broker.config.network.connections_max_idle_ms;
    limit.map_or(NO_LIMIT, |limit| Duration::from_millis(limit.0.max(0) as u64))
}

/// How many bytes the frame at the front lacks; `None` if none has begun. A length that will be refused counts as none.
fn missing(input: &[u8]) -> Option<usize> {
    let length = i32::from_be_bytes(*input.first_chunk()?);
    let whole = usize::try_from(length).ok()?.checked_add(size_of::<i32>())?;
    Some(whole.saturating_sub(input.len()))
}
