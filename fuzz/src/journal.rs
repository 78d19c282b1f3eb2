//! Recovery from any journal: the first byte chooses a file of the journal or the checkpoint, the next two where the rest
//! of the bytes is put over it.

use std::path::PathBuf;

use crate::store::{open_and_read, used};

/// Damages a file and opens the directory.
pub fn run(data: &[u8]) {
    let vfs = used();
    damage(&vfs, data, &files());
    open_and_read(vfs);
}

/// Puts bytes over one of the files, from a place in it on, or in its stead.
pub fn damage(vfs: &ottla_disk::vfs::SimVfs, data: &[u8], files: &[(PathBuf, Vec<u8>)]) {
    let Some((choice, bytes)) = data.split_first_chunk::<3>() else {
        return;
    };
    let (path, _) = &files[usize::from(choice[0] & 0x7f) % files.len()];
    let place = usize::from(u16::from_be_bytes([choice[1], choice[2]]));
    vfs.damage(path, |content| {
        if choice[0] & 0x80 != 0 {
            content.clear();
        }
        let from = place.min(content.len());
        let end = from + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[from..end].copy_from_slice(bytes);
    });
}

/// The files of the journal and the checkpoint.
fn files() -> Vec<(PathBuf, Vec<u8>)> {
    let is_ours = |path: &PathBuf| path.starts_with("/data/journal") || path.ends_with("checkpoint");
    used().files().into_iter().filter(|(path, _)| is_ours(path)).collect()
}

/// Pieces of the files as they are.
pub fn seeds() -> Vec<Vec<u8>> {
    pieces(&files())
}

/// For each file its beginning in its stead, and pieces put where they were.
pub fn pieces(files: &[(PathBuf, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, (_, content)) in files.iter().enumerate() {
        let number = number as u8;
        let mut whole = vec![number | 0x80, 0, 0];
        whole.extend(&content[..content.len().min(1_000)]);
        seeds.push(whole);
        for place in (0..content.len()).step_by(content.len().div_ceil(3).max(1)).take(3) {
            let mut seed = vec![number];
            seed.extend((place as u16).to_be_bytes());
            seed.extend(&content[place..content.len().min(place + 200)]);
            seeds.push(seed);
        }
    }
    seeds
}
