//! What the fuzz targets do with their bytes, and real bytes to begin with. Whatever the bytes, nothing may panic, and
//! memory is taken only in proportion to them.

pub mod batch;
pub mod frame;
pub mod header;
pub mod journal;
pub mod metadata;
pub mod offsets;
pub mod records;
pub mod request;
pub mod segment;
pub mod store;
pub mod subscription;
pub mod transactions;

/// A target's name and the bytes it begins with.
pub type Seeds = (&'static str, Vec<Vec<u8>>);

/// The seeds of every target.
pub fn seeds() -> Vec<Seeds> {
    vec![
        ("frame", frame::seeds()),
        ("header", header::seeds()),
        ("request", request::seeds()),
        ("batch", batch::seeds()),
        ("records", records::seeds()),
        ("journal", journal::seeds()),
        ("segment", segment::seeds()),
        ("offsets", offsets::seeds()),
        ("subscription", subscription::seeds()),
        ("transactions", transactions::seeds()),
        ("metadata", metadata::seeds()),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_seed_passes_its_target() {
        for (name, seeds) in super::seeds() {
            assert!(!seeds.is_empty(), "{name} has seeds");
            let run: fn(&[u8]) = match name {
                "frame" => super::frame::run,
                "header" => super::header::run,
                "request" => super::request::run,
                "batch" => super::batch::run,
                "records" => super::records::run,
                "journal" => super::journal::run,
                "segment" => super::segment::run,
                "offsets" => super::offsets::run,
                "subscription" => super::subscription::run,
                "transactions" => super::transactions::run,
                _ => super::metadata::run,
            };
            seeds.iter().for_each(|seed| run(seed));
        }
    }
}
