//! A connection that never blocks: frames go out as far as the socket takes them, and come in as they are whole.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

/// Room for answers at first; it grows to the largest answer.
const INPUT_BYTES: usize = 256 << 10;
/// The bytes in front of a frame that tell its length.
const PREFIX: usize = 4;

/// One connection.
pub struct Link {
    socket: TcpStream,
    input: Vec<u8>,
    filled: usize,
}

impl Link {
    /// Connects.
    pub fn connect(address: &str) -> Result<Link, String> {
        Link::with_room(address, INPUT_BYTES)
    }

    /// Connects with so much room for answers at first: little for one of many.
    pub fn with_room(address: &str, room: usize) -> Result<Link, String> {
        let socket = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        socket.set_nonblocking(true).map_err(|error| error.to_string())?;
        Ok(Link {
            socket,
            input: vec![0; room],
            filled: 0,
        })
    }

    /// Writes what the socket takes now and says how much that was; 0 means that it is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, String> {
        match (&self.socket).write(bytes) {
            Ok(written) => Ok(written),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(format!("a connection of the load broke: {error}")),
        }
    }

    /// Reads what is there and hands each whole frame, without its length, to `take`.
    pub fn read(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
        loop {
            let read = match (&self.socket).read(&mut self.input[self.filled..]) {
                Ok(0) => return Err("the broker closed a connection of the load".to_owned()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(format!("a connection of the load broke: {error}")),
            };
            self.filled += read;
            // A read that leaves room has taken all there was.
            let emptied = self.filled < self.input.len();
            self.take_frames(&mut take)?;
            if emptied {
                return Ok(());
            }
        }
    }

    fn take_frames(&mut self, take: &mut impl FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
        let mut at = 0;
        let mut needed = 0;
        while let Some(prefix) = self.input[at..self.filled].first_chunk::<PREFIX>() {
            let length = u32::from_be_bytes(*prefix) as usize;
            let end = at + PREFIX + length;
            if end > self.filled {
                needed = PREFIX + length;
                break;
            }
            take(&self.input[at + PREFIX..end])?;
            at = end;
        }
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        if needed > self.input.len() {
            self.input.resize(needed, 0);
        }
        Ok(())
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn frames_come_whole_however_they_are_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let large = vec![7u8; INPUT_BYTES * 2];
        let sent = large.clone();
        let peer = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            for piece in [&[0, 0][..], &[0, 2, 1], &[2, 0, 0, 0, 1, 9]] {
                socket.write_all(piece).unwrap();
                socket.flush().unwrap();
            }
            socket.write_all(&(sent.len() as u32).to_be_bytes()).unwrap();
            socket.write_all(&sent).unwrap();
            socket
        });
        let mut link = Link::connect(&address).unwrap();
        let mut frames = Vec::new();
        while frames.len() < 3 {
            link.read(|frame| {
                frames.push(frame.to_vec());
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(frames, [vec![1, 2], vec![9], large]);
        drop(peer.join().unwrap());
    }
}
