//! Kafka's small text files: the checkpoints of a data directory, `meta.properties`, `partition.metadata`.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use ottla_log::StorageFault;
use ottla_model::{Offset, TopicId, TopicPartition};

use crate::vfs::{Vfs, read_file, replace_file};

/// Log starts above their first segment.
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// Offsets below which segments are durable.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// High watermarks.
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
/// Where the last round of compaction ended.
pub const CLEANED: &str = "cleaner-offset-checkpoint";
/// Written at a clean stop, removed at start.
pub const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// Who the data directory belongs to.
pub const META_PROPERTIES: &str = "meta.properties";

/// The lines of a checkpoint file.
pub type Offsets = BTreeMap<TopicPartition, Offset>;

/// Reads a checkpoint file; a missing one has no lines.
pub fn read_offsets(vfs: &dyn Vfs, dir: &Path, name: &str) -> Result<Offsets, StorageFault> {
    let path = dir.join(name);
    let Some(bytes) = read_file(vfs, &path)? else {
        return Ok(Offsets::new());
    };
    parse_offsets(&bytes).ok_or(StorageFault::Corrupt {
        path: path.display().to_string(),
        position: 0,
        what: "not a checkpoint of version 0",
    })
}

/// Replaces a checkpoint file; durable once the directory is synced.
pub fn write_offsets(vfs: &dyn Vfs, dir: &Path, name: &str, offsets: &Offsets) -> Result<(), StorageFault> {
    let mut text = format!("0\n{}\n", offsets.len());
    for (partition, offset) in offsets {
        text.push_str(&format!("{} {} {offset}\n", partition.topic, partition.index));
    }
    replace_file(vfs, &dir.join(name), Bytes::from(text))
}

fn parse_offsets(bytes: &[u8]) -> Option<Offsets> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    if lines.next()? != "0" {
        return None;
    }
    let count = lines.next()?.parse::<usize>().ok()?;
    let offsets = lines.map(parse_offset).collect::<Option<Offsets>>()?;
    (offsets.len() == count).then_some(offsets)
}

fn parse_offset(line: &str) -> Option<(TopicPartition, Offset)> {
    let mut words = line.split(' ');
    let (topic, index, offset) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((TopicPartition::new(topic, index), Offset(offset)))
}

/// Who a data directory belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `cluster.id`.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: i32,
    /// `directory.id`, in Kafka's base64.
    pub directory_id: String,
}

impl Identity {
    /// Reads `meta.properties`; `None` if there is none or it does not say who.
    pub fn read(vfs: &dyn Vfs, dir: &Path) -> Result<Option<Identity>, StorageFault> {
        let Some(bytes) = read_file(vfs, &dir.join(META_PROPERTIES))? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes);
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            lines
                .find(|(name, _)| name.trim() == key)
                .map(|(_, value)| value.trim().to_owned())
        };
        let identity = || {
            Some(Identity {
                cluster_id: value("cluster.id")?,
                node_id: value("node.id")?.parse().ok()?,
                directory_id: value("directory.id")?,
            })
        };
        Ok(identity())
    }

    /// Writes `meta.properties`; durable once the directory is synced.
    pub fn write(&self, vfs: &dyn Vfs, dir: &Path) -> Result<(), StorageFault> {
        let text = format!(
            "#\nversion=1\ncluster.id={}\ndirectory.id={}\nnode.id={}\n",
            self.cluster_id, self.directory_id, self.node_id
        );
        replace_file(vfs, &dir.join(META_PROPERTIES), Bytes::from(text))
    }
}

/// The text of `partition.metadata`.
pub fn partition_metadata(topic: TopicId) -> String {
    format!("version: 0\ntopic_id: {topic}")
}

/// The topic a `partition.metadata` names.
pub fn topic_of_metadata(text: &str) -> Option<TopicId> {
    let id = text.lines().find_map(|line| line.strip_prefix("topic_id: "))?;
    TopicId::from_base64(id.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_kafkas_text() {
        let text = "0\n2\norders 0 17\norders 1 0\n";
        let offsets = parse_offsets(text.as_bytes()).unwrap();
        assert_eq!(offsets[&TopicPartition::new("orders", 0)], Offset(17));
        let vfs = crate::vfs::SimVfs::new(Path::new("/d"));
        write_offsets(&vfs, Path::new("/d"), LOG_STARTS, &offsets).unwrap();
        assert_eq!(read_offsets(&vfs, Path::new("/d"), LOG_STARTS).unwrap(), offsets);
        assert_eq!(vfs.files()[0].1, text.as_bytes());
        for wrong in ["", "1\n0\n", "0\n1\n", "0\n1\norders 0\n", "0\nx\n"] {
            assert_eq!(parse_offsets(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_identity_survives() {
        let vfs = crate::vfs::SimVfs::new(Path::new("/d"));
        let identity = Identity {
            cluster_id: "Some0ClusterId0AAAAAAA".into(),
            node_id: 3,
            directory_id: "AAAAAAAAAAAAAAAAAAAAAQ".into(),
        };
        assert_eq!(Identity::read(&vfs, Path::new("/d")).unwrap(), None);
        identity.write(&vfs, Path::new("/d")).unwrap();
        assert_eq!(Identity::read(&vfs, Path::new("/d")).unwrap(), Some(identity));
    }

    #[test]
    fn partition_metadata_is_kafkas_text() {
        let text = partition_metadata(TopicId::METADATA);
        assert_eq!(text, "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(topic_of_metadata(&text), Some(TopicId::METADATA));
    }
}
