//! Where things are: the checkout, its build folder, and the files that belong to the project.
//!
//! Never changes anything, and knows no task.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sh;

/// The checkout that this run is about.
pub(crate) struct Repo {
    root: PathBuf,
}

/// A text file of the project: tracked, or new and not ignored.
pub(crate) struct SourceFile {
    /// From the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Repo {
    pub(crate) fn find() -> Result<Self, String> {
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
            .ok_or("start this as `cargo xtask`, which says where the checkout is")?;
        let root =
            Path::new(&manifest_dir).parent().ok_or("the xtask crate stands in no folder")?;
        Ok(Self { root: root.to_path_buf() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A `cargo` that runs at the root: the same one that started this program.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(args).current_dir(&self.root);
        command
    }

    /// The build folder, asked of cargo because users move it in more ways than one.
    pub(crate) fn target_dir(&self) -> Result<PathBuf, String> {
        let metadata =
            sh::capture(&mut self.cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
        let key = "\"target_directory\":\"";
        let start = metadata.find(key).ok_or("cargo metadata names no target directory")?;
        let rest = &metadata[start + key.len()..];
        let end = rest.find('"').ok_or("cargo metadata ends in the middle of a string")?;
        Ok(PathBuf::from(rest[..end].replace("\\\\", "\\")))
    }

    /// Whether a package of that name is in the workspace.
    pub(crate) fn has_package(&self, name: &str) -> bool {
        sh::capture(&mut self.cargo(&["pkgid", "-p", name])).is_ok()
    }

    /// Every text file of the project, or `None` where this is no git checkout.
    ///
    /// New files count before they are added, so that a mistake shows before it is committed. What
    /// `.gitattributes` or git itself calls binary is left out.
    pub(crate) fn sources(&self) -> Result<Option<Vec<SourceFile>>, String> {
        if !self.root.join(".git").exists() {
            return Ok(None);
        }
        let mut git = Command::new("git");
        git.args(["ls-files", "--eol", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root);
        let listing = sh::capture(&mut git)?;
        let mut sources = Vec::new();
        for entry in listing.split('\0') {
            let Some((kind, path)) = entry.split_once('\t') else {
                continue;
            };
            let is_binary = kind.contains("w/-text") || kind.contains("attr/-text");
            let on_disk = self.root.join(path);
            // A link is not a text of its own, and a file may be deleted but not yet from the index.
            if is_binary || !on_disk.is_file() || on_disk.is_symlink() {
                continue;
            }
            let text = std::fs::read_to_string(&on_disk)
                .map_err(|why| format!("{path} can't be read as text: {why}"))?;
            sources.push(SourceFile { path: path.to_owned(), text });
        }
        Ok(Some(sources))
    }
}
