//! A small file system of its own: ext4 in a file if the kernel lets us, memory otherwise. Unmounted when dropped.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::trouble::{During, Trouble, expect};

/// A mounted file system.
#[derive(Debug)]
pub struct SmallDisk {
    mount: PathBuf,
    /// What it is made of, for people.
    pub kind: &'static str,
}

impl SmallDisk {
    /// Mounts one of so many bytes below `dir`.
    pub fn mount(dir: &Path, bytes: u64) -> Result<SmallDisk, Trouble> {
        let mount = dir.join("disk");
        std::fs::create_dir_all(&mount)?;
        let image = dir.join("image");
        File::create(&image)?.set_len(bytes)?;
        let (image, at) = (image.display().to_string(), mount.display().to_string());
        let is_ext4 = run("mkfs.ext4", &["-q", "-F", &image]).and_then(|()| run("mount", &["-o", "loop", &image, &at]));
        let kind = match is_ext4 {
            Ok(()) => "ext4",
            Err(loop_trouble) => {
                let size = format!("size={bytes}");
                run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &at])
                    .map_err(|trouble| Trouble::new(format!("no small disk: {loop_trouble}; {trouble}")))?;
                "tmpfs"
            }
        };
        Ok(SmallDisk { mount, kind })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// Bytes free.
    pub fn free(&self) -> Result<u64, Trouble> {
        let seen = rustix::fs::statvfs(&self.mount)?;
        Ok(seen.f_bavail * seen.f_frsize)
    }

    /// Takes all space but so many bytes.
    pub fn fill(&self, leave: u64) -> Result<(), Trouble> {
        let mut ballast = File::create(self.ballast())?;
        let block = vec![1; 64 * 1024];
        while self.free()? > leave + block.len() as u64 {
            ballast.write_all(&block).during("the ballast")?;
            ballast.sync_data()?;
        }
        Ok(())
    }

    /// Gives the space back.
    pub fn relieve(&self) -> Result<(), Trouble> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let at = self.mount.display().to_string();
        if run("umount", &[&at]).is_err() {
            let _ = run("umount", &["-l", &at]);
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), Trouble> {
    let output = Command::new(program).args(arguments).output().during(program)?;
    expect(output.status.success(), || {
        format!(
            "{program} {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )
    })
}
