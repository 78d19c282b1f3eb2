//! The two tasks that own the halves of a socket, and the askers between them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use ottla_wire::{RESPONSE_BYTES_MIN, ResponseHeader, split};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

/// Who waits for which answer; closed once the connection is.
pub(super) struct Waiting(Mutex<Option<HashMap<i32, oneshot::Sender<Bytes>>>>);

impl Waiting {
    pub(super) fn open() -> Waiting {
        Waiting(Mutex::new(Some(HashMap::new())))
    }

    /// `None` once the connection is closed.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<HashMap<i32, oneshot::Sender<Bytes>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Dropping the senders tells everyone who waits.
    pub(super) fn close(&self) {
        *self.lock() = None;
    }
}

/// Writes what is queued until the queue or the socket ends.
pub(super) async fn write_frames(
    mut writer: OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<Bytes>,
    waiting: Arc<Waiting>,
) {
    while let Some(frame) = queue.recv().await {
        if writer.write_all(&frame).await.is_err() {
            break;
        }
    }
    waiting.close();
}

/// Reads answers and hands each to its asker until the socket ends.
pub(super) async fn read_answers(broker: String, mut reader: OwnedReadHalf, waiting: Arc<Waiting>, bytes_max: usize) {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        match split(&mut buffer, RESPONSE_BYTES_MIN, bytes_max) {
            Ok(Some(frame)) => hand_over(&waiting, frame),
            Ok(None) => {
                buffer.reserve(READ_BYTES);
                if !matches!(reader.read_buf(&mut buffer).await, Ok(1..)) {
                    break;
                }
            }
            Err(fault) => {
                tracing::warn!(broker, %fault, "closing");
                break;
            }
        }
    }
    waiting.close();
}

fn hand_over(waiting: &Waiting, frame: Bytes) {
    let Ok(header) = ResponseHeader::peek(&frame) else {
        return;
    };
    let asker = waiting
        .lock()
        .as_mut()
        .and_then(|waiting| waiting.remove(&header.correlation_id));
    if let Some(asker) = asker {
        // The asker may have given up; then nobody misses the answer.
        let _ = asker.send(frame);
    }
}

const READ_BYTES: usize = 64 * 1024;
