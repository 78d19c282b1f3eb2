//! The system calls of a broker that runs under strace: what it wrote, flushed and sent, in which order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::trouble::{During, Trouble};

/// What a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Bytes of a file that may still be in memory only.
    Write,
    /// Bytes of a file that are durable when the call returns.
    DurableWrite,
    /// What was written before is durable when the call returns.
    Flush,
    /// Bytes from a socket.
    Receive,
    /// Bytes to a socket.
    Send,
}

/// A call that succeeded with something done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it did.
    pub deed: Deed,
    /// The file's path, or the socket's two ends.
    pub target: String,
    /// The line of the trace on which it began.
    pub begin: usize,
    /// The line on which it ended.
    pub end: usize,
}

/// The arguments of strace in front of a program, to have a trace that [`read`] reads.
pub fn wrapper(file: &Path) -> Vec<String> {
    let calls = "openat,read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range";
    let words = [
        "strace",
        "-f",
        "-q",
        "-q",
        "-yy",
        "-s",
        "0",
        "--seccomp-bpf",
        "-e",
        "signal=none",
        "-e",
    ];
    let mut words = words.map(str::to_owned).to_vec();
    words.extend([format!("trace={calls}"), "-o".to_owned(), file.display().to_string()]);
    words
}

/// All calls of interest in a trace, by the line they began on.
pub fn read(file: &Path) -> Result<Vec<Call>, Trouble> {
    let text = std::fs::read(file).during(file.display())?;
    Ok(calls(&String::from_utf8_lossy(&text)))
}

fn calls(text: &str) -> Vec<Call> {
    let mut open = BTreeMap::<&str, (usize, String)>::new();
    let mut durable_files = BTreeSet::new();
    let mut calls = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let rest = rest.trim_start();
        let (begin, whole) = if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            open.insert(thread, (at, begun.to_owned()));
            continue;
        } else if rest.starts_with("<... ") {
            let Some((begin, mut begun)) = open.remove(thread) else {
                continue;
            };
            begun.push_str(rest.split_once("resumed>").map_or("", |(_, end)| end));
            (begin, begun)
        } else {
            (at, rest.to_owned())
        };
        if let Some((deed, target)) = judge(&whole, &mut durable_files) {
            calls.push(Call {
                deed,
                target,
                begin,
                end: at,
            });
        }
    }
    calls.sort_by_key(|call| call.begin);
    calls
}

/// `name(descriptor<target>, ...) = result`: the deed and its target, if it was one.
fn judge(call: &str, durable_files: &mut BTreeSet<String>) -> Option<(Deed, String)> {
    let (name, arguments) = call.split_once('(')?;
    let (arguments, result) = arguments.rsplit_once(" = ")?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    if name == "openat" {
        if arguments.contains("O_DSYNC") || arguments.contains("O_SYNC") {
            durable_files.extend(target(result));
        }
        return None;
    }
    let target = target(arguments)?;
    let is_socket = target.starts_with("TCP");
    let is_file = target.starts_with('/');
    let deed = match name {
        "fsync" | "fdatasync" | "sync_file_range" => Deed::Flush,
        _ if result.starts_with('0') => return None,
        "read" | "readv" | "recvfrom" | "recvmsg" if is_socket => Deed::Receive,
        "write" | "writev" | "sendto" | "sendmsg" if is_socket => Deed::Send,
        "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" if is_file => {
            let asked = arguments.contains("RWF_DSYNC") || arguments.contains("RWF_SYNC");
            if asked || durable_files.contains(&target) {
                Deed::DurableWrite
            } else {
                Deed::Write
            }
        }
        _ => return None,
    };
    Some((deed, target))
}

/// What stands between the angle brackets behind a descriptor.
fn target(text: &str) -> Option<String> {
    let inner = &text[text.find('<')? + 1..];
    if let Some(socket) = inner.strip_prefix("TCP") {
        return Some(format!("TCP{}", &socket[..socket.find("]>")? + 1]));
    }
    Some(inner[..inner.find('>')?].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
7 openat(AT_FDCWD</>, \"\"..., O_RDWR|O_DSYNC) = 9</d/log>
7 recvfrom(5<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"\"..., 99, 0, NULL, NULL) = 40
7 pwrite64(8</d/journal>, \"\"..., 4096, 0) = 4096
8 fdatasync(8</d/journal> <unfinished ...>
7 write(9</d/log>, \"\"..., 7) = 7
8 <... fdatasync resumed>) = 0
8 fdatasync(8</d/journal>) = -1 EIO (Input/output error) (INJECTED)
7 sendto(5<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"\"..., 30, MSG_NOSIGNAL, NULL, 0) = 30
";

    #[test]
    fn calls_are_read_with_their_order() {
        let seen = calls(TRACE)
            .into_iter()
            .map(|call| (call.deed, call.begin, call.end))
            .collect::<Vec<_>>();
        let expected = [
            (Deed::Receive, 1, 1),
            (Deed::Write, 2, 2),
            (Deed::Flush, 3, 5),
            (Deed::DurableWrite, 4, 4),
            (Deed::Send, 7, 7),
        ];
        assert_eq!(seen, expected);
        assert_eq!(calls(TRACE)[0].target, "TCP:[127.0.0.1:1->127.0.0.1:2]");
    }
}
