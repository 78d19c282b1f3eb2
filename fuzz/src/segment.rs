//! Opening any segment, index, time index, snapshot or small file beside them: bytes as in `journal`.

use std::path::PathBuf;

use crate::journal::{damage, pieces};
use crate::store::{PARTITION, open_and_read, used};

/// Damages a file of the partition and opens the directory.
pub fn run(data: &[u8]) {
    let vfs = used();
    damage(&vfs, data, &files());
    open_and_read(vfs);
}

fn files() -> Vec<(PathBuf, Vec<u8>)> {
    used()
        .files()
        .into_iter()
        .filter(|(path, _)| path.starts_with(PARTITION))
        .collect()
}

/// Pieces of the files as they are.
pub fn seeds() -> Vec<Vec<u8>> {
    pieces(&files())
}
