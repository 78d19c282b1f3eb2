//! A file system in memory that forgets at a crash what was not synced. A test double.
//!
//! It keeps, per file, what every 512-byte sector held at the last completed sync, and the names not yet made durable. A
//! crash keeps an arbitrary subset of both: writes are lost, reordered, torn between sectors. A failed sync marks the
//! pages clean, as Linux does: later syncs succeed and the bytes never reach the medium.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{DirEntry, FileSystem, LockGuard, Open, Vfs, VfsFile};

/// The unit that is written whole or not at all.
const SECTOR: usize = 512;

/// Faults to come.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimFaults {
    /// The power goes after so many further changes: every later call fails until [`SimVfs::crash`].
    pub power_left: Option<u64>,
    /// The sync after so many good ones fails.
    pub syncs_left: Option<u64>,
    /// Bytes by which files may still grow.
    pub space_left: Option<u64>,
    /// Syncs claim success without doing anything: what the checker must find out.
    pub syncs_lie: bool,
}

/// See the module's head. Clones share one file system.
#[derive(Clone, Default)]
pub struct SimVfs {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    inodes: HashMap<u64, Inode>,
    next_inode: u64,
    names: BTreeMap<PathBuf, Node>,
    durable_names: BTreeMap<PathBuf, Node>,
    changes: Vec<Change>,
    locks: Vec<PathBuf>,
    faults: SimFaults,
    /// One more at every crash: files opened before it are dead.
    life: u64,
    syncs: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    File(u64),
    Dir,
}

#[derive(Clone)]
enum Change {
    Make(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Default)]
struct Inode {
    content: Vec<u8>,
    /// What the medium holds where that may differ from `content`.
    medium: BTreeMap<usize, Vec<u8>>,
    /// The same for sectors that a failed sync marked clean: no later sync writes them.
    orphaned: BTreeMap<usize, Vec<u8>>,
    medium_length: usize,
}

impl SimVfs {
    /// An empty file system that has the directory `root`.
    pub fn new(root: &Path) -> SimVfs {
        let vfs = SimVfs::default();
        for path in root.ancestors() {
            vfs.lock_state().names.insert(path.to_path_buf(), Node::Dir);
            vfs.lock_state().durable_names.insert(path.to_path_buf(), Node::Dir);
        }
        vfs
    }

    /// Sets the faults to come.
    pub fn set_faults(&self, faults: SimFaults) {
        self.lock_state().faults = faults;
    }

    /// The faults that are left.
    pub fn faults(&self) -> SimFaults {
        self.lock_state().faults
    }

    /// How often a file was synced.
    pub fn syncs(&self) -> u64 {
        self.lock_state().syncs
    }

    /// The power goes and comes back: files opened before are dead, locks are free, faults are over.
    pub fn crash(&self, seed: u64) {
        let mut state = self.lock_state();
        let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
        // Half of the crashes are kind or cruel throughout, since a long coin series is never all heads.
        let kept_in_16 = [0, 16, 8, 14][random.below(4) as usize];
        let mut names = std::mem::take(&mut state.durable_names);
        for change in std::mem::take(&mut state.changes) {
            if random.below(16) < kept_in_16 {
                change.apply(&mut names);
            }
        }
        let orphans = names
            .keys()
            .filter(|path| {
                !path
                    .ancestors()
                    .all(|above| above.as_os_str().is_empty() || names.contains_key(above))
            })
            .cloned()
            .collect::<Vec<_>>();
        for path in orphans {
            names.remove(&path);
        }
        let mut ids = state.inodes.keys().copied().collect::<Vec<_>>();
        ids.sort_unstable();
        for id in ids {
            if let Some(inode) = state.inodes.get_mut(&id) {
                inode.crash(&mut random, kept_in_16);
            }
        }
        let live = names.values().filter_map(Node::inode).collect::<Vec<_>>();
        state.inodes.retain(|id, _| live.contains(id));
        state.names = names.clone();
        state.durable_names = names;
        state.locks.clear();
        state.faults = SimFaults::default();
        state.life += 1;
    }

    /// Another file system with the same durable and volatile content: to crash one state in many ways.
    pub fn fork(&self) -> SimVfs {
        let state = self.lock_state();
        let inodes = state
            .inodes
            .iter()
            .map(|(id, inode)| {
                let copy = Inode {
                    content: inode.content.clone(),
                    medium: inode.medium.clone(),
                    orphaned: inode.orphaned.clone(),
                    medium_length: inode.medium_length,
                };
                (*id, copy)
            })
            .collect();
        let copy = State {
            inodes,
            next_inode: state.next_inode,
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            changes: state.changes.clone(),
            life: state.life,
            ..State::default()
        };
        SimVfs {
            state: Arc::new(Mutex::new(copy)),
        }
    }

    /// Changes a file's bytes on the medium, as bit rot or a misdirected write would.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock_state();
        if let Some(Node::File(id)) = state.names.get(path).copied()
            && let Some(inode) = state.inodes.get_mut(&id)
        {
            change(&mut inode.content);
            inode.medium_length = inode.content.len();
            inode.medium.clear();
        }
    }

    /// All files, with their bytes.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.lock_state();
        let file = |(path, node): (&PathBuf, &Node)| {
            let inode = state.inodes.get(&node.inode()?)?;
            Some((path.clone(), inode.content.clone()))
        };
        state.names.iter().filter_map(file).collect()
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.lock_state();
        state.spend_power()?;
        change.apply(&mut state.names);
        state.changes.push(change);
        Ok(())
    }
}

impl Vfs for SimVfs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn VfsFile>> {
        let mut state = self.lock_state();
        state.check_power()?;
        let id = match state.names.get(path) {
            Some(Node::File(id)) => *id,
            Some(Node::Dir) => return Err(io::ErrorKind::IsADirectory.into()),
            None if how == Open::Existing => return Err(io::ErrorKind::NotFound.into()),
            None => {
                state.spend_power()?;
                if path.parent().is_some_and(|parent| !state.names.contains_key(parent)) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                let id = state.next_inode;
                state.next_inode += 1;
                state.inodes.insert(id, Inode::default());
                state.names.insert(path.to_path_buf(), Node::File(id));
                state.changes.push(Change::Make(path.to_path_buf(), Node::File(id)));
                id
            }
        };
        if how == Open::Empty
            && let Some(inode) = state.inodes.get_mut(&id)
        {
            inode.resize(0);
        }
        Ok(Arc::new(SimFile {
            vfs: self.clone(),
            inode: id,
            life: state.life,
        }))
    }

    fn open_direct(&self, path: &Path, how: Open) -> io::Result<Arc<dyn VfsFile>> {
        self.open(path, how)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if !self.lock_state().names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(Change::Rename(from.to_path_buf(), to.to_path_buf()))?;
        // Names in a directory belong to it, whatever it is called: what is not durable yet moves with it.
        let mut state = self.lock_state();
        let before = state.changes.len() - 1;
        for change in &mut state.changes[..before] {
            change.follow(from, to);
        }
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        if !self.lock_state().names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(Change::Remove(path.to_path_buf()))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.lock_state();
        state.check_power()?;
        if state.names.get(path) != Some(&Node::Dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let below = state.names.iter().filter(|(name, _)| name.parent() == Some(path));
        Ok(below
            .map(|(name, node)| DirEntry {
                name: name.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                is_dir: *node == Node::Dir,
            })
            .collect())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        state.spend_power()?;
        let (now, later) = std::mem::take(&mut state.changes)
            .into_iter()
            .partition::<Vec<_>, _>(|change| change.touches(path));
        for change in now {
            change.apply(&mut state.durable_names);
        }
        state.changes = later;
        Ok(())
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let there = self.lock_state().names.get(path).copied();
        match there {
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::AlreadyExists.into()),
            None => self.change(Change::Make(path.to_path_buf(), Node::Dir)),
        }
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        if !self.read_dir(path)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.change(Change::Remove(path.to_path_buf()))
    }

    fn file_system(&self, _path: &Path) -> io::Result<Arc<dyn FileSystem>> {
        Ok(Arc::new(self.clone()))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>> {
        self.open(path, Open::Create)?;
        let mut state = self.lock_state();
        if state.locks.iter().any(|held| held == path) {
            return Ok(None);
        }
        state.locks.push(path.to_path_buf());
        Ok(Some(Box::new(SimLock {
            vfs: self.clone(),
            path: path.to_path_buf(),
            life: state.life,
        })))
    }
}

struct SimLock {
    vfs: SimVfs,
    path: PathBuf,
    life: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.vfs.lock_state();
        if state.life == self.life {
            state.locks.retain(|held| *held != self.path);
        }
    }
}

struct SimFile {
    vfs: SimVfs,
    inode: u64,
    life: u64,
}

impl SimFile {
    fn with<T>(&self, change: bool, work: impl FnOnce(&mut Inode, &mut SimFaults) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.vfs.lock_state();
        if state.life != self.life {
            return Err(io::Error::other("the file was opened before a crash"));
        }
        if change {
            state.spend_power()?;
        } else {
            state.check_power()?;
        }
        let state = &mut *state;
        let inode = state
            .inodes
            .get_mut(&self.inode)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        work(inode, &mut state.faults)
    }

    fn write(&self, parts: &[&[u8]], at: u64) -> io::Result<()> {
        self.with(true, |inode, faults| {
            let length = parts.iter().map(|part| part.len()).sum::<usize>();
            spend_space(faults, inode.content.len(), at as usize + length)?;
            let mut at = at as usize;
            for part in parts {
                inode.write(part, at);
                at += part.len();
            }
            Ok(())
        })
    }
}

impl FileSystem for SimVfs {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.lock_state();
        state.spend_power()?;
        let State { inodes, faults, .. } = &mut *state;
        let mut lie = faults.syncs_lie;
        for inode in inodes.values_mut() {
            lie = inode.sync(faults)?;
        }
        for change in std::mem::take(&mut state.changes) {
            change.apply(&mut state.durable_names);
        }
        state.syncs += u64::from(!lie);
        Ok(())
    }
}

impl VfsFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.with(false, |inode, _| Ok(inode.content.len() as u64))
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.with(false, |inode, _| {
            let from = inode.content.get(at as usize..).unwrap_or_default();
            let length = from.len().min(into.len());
            into[..length].copy_from_slice(&from[..length]);
            Ok(length)
        })
    }

    fn read_now(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
        self.read_at(into, at).map(Some)
    }

    fn write_at(&self, parts: &[Bytes], at: u64) -> io::Result<()> {
        self.write(&parts.iter().map(|part| &part[..]).collect::<Vec<_>>(), at)
    }

    fn write_block(&self, block: &[u8], at: u64) -> io::Result<()> {
        let aligned = [block.len(), at as usize, block.as_ptr() as usize];
        assert!(
            aligned.iter().all(|number| number % crate::block::BLOCK == 0),
            "direct writes are aligned"
        );
        self.write(&[block], at)
    }

    fn read_block(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let aligned = [into.len(), at as usize, into.as_ptr() as usize];
        assert!(
            aligned.iter().all(|number| number % crate::block::BLOCK == 0),
            "direct reads are aligned"
        );
        self.read_at(into, at)
    }

    fn sync(&self) -> io::Result<()> {
        let lie = self.with(true, |inode, faults| inode.sync(faults))?;
        if !lie {
            self.vfs.lock_state().syncs += 1;
        }
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.with(true, |inode, faults| {
            spend_space(faults, inode.content.len(), length as usize)?;
            inode.resize(inode.content.len().max(length as usize));
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.with(true, |inode, faults| {
            spend_space(faults, inode.content.len(), length as usize)?;
            inode.resize(length as usize);
            Ok(())
        })
    }
}

impl State {
    fn check_power(&self) -> io::Result<()> {
        match self.faults.power_left {
            Some(0) => Err(io::Error::other("the simulated power is gone")),
            _ => Ok(()),
        }
    }

    fn spend_power(&mut self) -> io::Result<()> {
        self.check_power()?;
        if let Some(left) = &mut self.faults.power_left {
            *left -= 1;
        }
        self.check_power()
    }
}

fn spend_space(faults: &mut SimFaults, have: usize, want: usize) -> io::Result<()> {
    let grow = want.saturating_sub(have) as u64;
    match &mut faults.space_left {
        Some(left) if *left < grow => Err(io::ErrorKind::StorageFull.into()),
        Some(left) => {
            *left -= grow;
            Ok(())
        }
        None => Ok(()),
    }
}

impl Node {
    fn inode(&self) -> Option<u64> {
        match self {
            Node::File(id) => Some(*id),
            Node::Dir => None,
        }
    }
}

impl Change {
    fn touches(&self, dir: &Path) -> bool {
        match self {
            Change::Make(path, _) | Change::Remove(path) => path.parent() == Some(dir),
            Change::Rename(from, to) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }

    fn follow(&mut self, from: &Path, to: &Path) {
        let follow = |path: &mut PathBuf| {
            if let Ok(rest) = path.strip_prefix(from)
                && !rest.as_os_str().is_empty()
            {
                *path = to.join(rest);
            }
        };
        match self {
            Change::Make(path, _) | Change::Remove(path) => follow(path),
            Change::Rename(one, other) => {
                follow(one);
                follow(other);
            }
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Change::Make(path, node) => {
                names.insert(path.clone(), *node);
            }
            Change::Remove(path) => {
                names.remove(path);
            }
            Change::Rename(from, to) => {
                let moved = names
                    .keys()
                    .filter(|path| path.starts_with(from))
                    .cloned()
                    .collect::<Vec<_>>();
                for path in moved {
                    if let (Some(node), Ok(rest)) = (names.remove(&path), path.strip_prefix(from)) {
                        let target = if rest.as_os_str().is_empty() {
                            to.clone()
                        } else {
                            to.join(rest)
                        };
                        names.insert(target, node);
                    }
                }
            }
        }
    }
}

impl Inode {
    /// Brings its content to the medium, or fails, as the faults want; says whether it only claims to have done so.
    fn sync(&mut self, faults: &mut SimFaults) -> io::Result<bool> {
        if let Some(left) = &mut faults.syncs_left {
            if *left == 0 {
                faults.syncs_left = None;
                let dirty = std::mem::take(&mut self.medium);
                for (sector, old) in dirty {
                    self.orphaned.entry(sector).or_insert(old);
                }
                return Err(io::Error::other("simulated failure of a sync"));
            }
            *left -= 1;
        }
        if !faults.syncs_lie {
            self.medium.clear();
            self.medium_length = self.content.len();
        }
        Ok(faults.syncs_lie)
    }

    fn remember(&mut self, from: usize, to: usize) {
        for sector in from / SECTOR..to.div_ceil(SECTOR) {
            let content = &self.content;
            self.medium.entry(sector).or_insert_with(|| {
                let from = (sector * SECTOR).min(content.len());
                content[from..(from + SECTOR).min(content.len())].to_vec()
            });
        }
    }

    fn write(&mut self, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        self.remember(at, end);
        if self.content.len() < end {
            self.content.resize(end, 0);
        }
        self.content[at..end].copy_from_slice(bytes);
    }

    fn resize(&mut self, length: usize) {
        self.remember(length.min(self.content.len()), self.content.len().max(length));
        self.content.resize(length, 0);
    }

    fn crash(&mut self, random: &mut Random, kept_in_16: u64) {
        let new_length = self.content.len();
        let length = match random.below(16) < kept_in_16 {
            true => new_length,
            false => self.medium_length,
        };
        let mut old = std::mem::take(&mut self.orphaned);
        for (sector, bytes) in std::mem::take(&mut self.medium) {
            if random.below(16) >= kept_in_16 {
                old.entry(sector).or_insert(bytes);
            }
        }
        self.content.resize(length, 0);
        for (sector, bytes) in old {
            let from = (sector * SECTOR).min(length);
            let to = (from + SECTOR).min(length);
            let mut restored = bytes;
            restored.resize(SECTOR, 0);
            self.content[from..to].copy_from_slice(&restored[..to - from]);
        }
        self.medium_length = length;
    }
}

/// A small generator (xorshift): the same seed gives the same crash.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(vfs: &SimVfs, path: &str) -> Option<Vec<u8>> {
        let found = vfs.files().into_iter().find(|(name, _)| name == Path::new(path));
        found.map(|(_, bytes)| bytes)
    }

    #[test]
    fn what_was_synced_survives_every_crash_and_the_rest_may_go() {
        let (mut kept, mut lost) = (0, 0);
        for seed in 0..64 {
            let vfs = SimVfs::new(Path::new("/d"));
            let file = vfs.open(Path::new("/d/a"), Open::Create).unwrap();
            file.write_at(&[Bytes::from(vec![1; 1024])], 0).unwrap();
            file.sync().unwrap();
            vfs.sync_dir(Path::new("/d")).unwrap();
            file.write_at(&[Bytes::from(vec![2; 512])], 512).unwrap();
            vfs.crash(seed);
            let bytes = content(&vfs, "/d/a").unwrap();
            assert_eq!(bytes[..512], [1; 512]);
            match bytes[512] {
                1 => lost += 1,
                _ => kept += 1,
            }
            assert!(file.len().is_err(), "a file opened before the crash is dead");
        }
        assert!(kept > 0 && lost > 0);
    }

    #[test]
    fn names_not_synced_may_go() {
        let survives = |seed| {
            let vfs = SimVfs::new(Path::new("/d"));
            let file = vfs.open(Path::new("/d/a"), Open::Create).unwrap();
            file.write_at(&[Bytes::from_static(b"x")], 0).unwrap();
            file.sync().unwrap();
            vfs.crash(seed);
            content(&vfs, "/d/a").is_some()
        };
        assert!((0..64).any(survives));
        assert!(!(0..64).all(survives));
    }

    #[test]
    fn after_a_failed_sync_the_next_one_lies() {
        let vfs = SimVfs::new(Path::new("/d"));
        let file = vfs.open(Path::new("/d/a"), Open::Create).unwrap();
        vfs.sync_dir(Path::new("/d")).unwrap();
        file.write_at(&[Bytes::from_static(b"old")], 0).unwrap();
        file.sync().unwrap();
        file.write_at(&[Bytes::from_static(b"new")], 0).unwrap();
        vfs.set_faults(SimFaults {
            syncs_left: Some(0),
            ..SimFaults::default()
        });
        assert!(file.sync().is_err());
        assert!(file.sync().is_ok());
        vfs.crash(2);
        assert_eq!(content(&vfs, "/d/a").unwrap(), b"old");
    }
}
