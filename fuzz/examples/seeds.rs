//! Writes the kept corpus: `cargo run --example seeds`, from the directory `fuzz`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    for (target, seeds) in ottla_fuzz::seeds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
        println!(
            "{target}: {} seeds, {} bytes",
            seeds.len(),
            seeds.iter().map(Vec::len).sum::<usize>()
        );
    }
    Ok(())
}
