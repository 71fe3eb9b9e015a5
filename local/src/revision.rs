//! The build that is shipped: an example's revision as a zip, with any version.

use std::io::{Cursor, Write};
use std::path::Path;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::trouble::{Result, While};

/// What of a build is not as the example has it.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Files that have another content, or are there in addition: name and text.
    pub files: Vec<(String, String)>,
}

impl Changes {
    /// The server does not start: its first line ends it, with these words in its log.
    #[must_use]
    pub fn server_does_not_start(words: &str) -> Self {
        Self { files: vec![("server.py".to_owned(), format!("import sys\nsys.exit({words:?})\n"))] }
    }
}

/// Makes the zip of the revision of the example in this folder, with this version.
///
/// # Errors
///
/// Where a file of the example cannot be read.
pub fn build(example: &Path, version: &str, changes: &Changes) -> Result<Vec<u8>> {
    let folder = example.join("revision");
    let mut files = Vec::new();
    collect(&folder, "", &mut files)?;
    let mut put = |name: &str, text: String| match files.iter_mut().find(|(one, _)| one == name) {
        Some((_, before)) => *before = text.into_bytes(),
        None => files.push((name.to_owned(), text.into_bytes())),
    };
    put("VERSION", format!("{version}\n"));
    for (name, text) in &changes.files {
        put(name, text.clone());
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let mode = if name.starts_with("scripts/") { 0o755 } else { 0o644 };
        zip.start_file(name, SimpleFileOptions::default().unix_permissions(mode))?;
        zip.write_all(&content)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn collect(folder: &Path, below: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).when(folder.display())?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if name.contains("__pycache__") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push((name, std::fs::read(entry.path())?));
        }
    }
    Ok(())
}
