//! The module's file system, held in RAM: files, directories, and a bound on what they hold together.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::Fault;

/// Longest name. Source: AT command manual V1.6.3, file commands.
pub(super) const NAME_MAX: usize = 64;

/// Files by their full path.
#[derive(Debug)]
pub(super) struct Files {
    files: BTreeMap<String, Vec<u8>>,
    directories: BTreeSet<String>,
    space: usize,
}

/// `ca.crt` and `/ca.crt` are the same file.
pub(super) fn path(name: &str) -> Result<String, Fault> {
    let trimmed = name.trim_matches('/');
    if trimmed.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return Err(Fault::RANGE);
    }
    Ok(format!("/{trimmed}"))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Files {
    pub(super) fn new(space: usize) -> Self {
        Self { files: BTreeMap::new(), directories: BTreeSet::new(), space }
    }

    fn exists(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.directories.contains(path)
    }

    fn has_parent(&self, path: &str) -> bool {
        let parent = parent(path);
        parent.is_empty() || self.directories.contains(parent)
    }

    pub(super) fn create(&mut self, path: String) -> Result<(), Fault> {
        if self.exists(&path) || !self.has_parent(&path) {
            return Err(Fault::Error);
        }
        self.files.insert(path, Vec::new());
        Ok(())
    }

    pub(super) fn write(&mut self, path: &str, append: bool, bytes: &[u8]) -> Result<(), Fault> {
        let free = self.free();
        let file = self.files.get_mut(path).ok_or(Fault::NO_FILE)?;
        let room = if append { free } else { free + file.len() };
        if bytes.len() > room {
            return Err(Fault::NO_SPACE);
        }
        if !append {
            file.clear();
        }
        file.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn read(&self, path: &str) -> Result<&[u8], Fault> {
        self.files.get(path).map(Vec::as_slice).ok_or(Fault::NO_FILE)
    }

    pub(super) fn delete(&mut self, path: &str) -> Result<(), Fault> {
        self.files.remove(path).map(drop).ok_or(Fault::NO_FILE)
    }

    pub(super) fn make_directory(&mut self, path: String) -> Result<(), Fault> {
        if self.exists(&path) || !self.has_parent(&path) {
            return Err(Fault::Error);
        }
        self.directories.insert(path);
        Ok(())
    }

    pub(super) fn remove_directory(&mut self, path: &str) -> Result<(), Fault> {
        let used = self.files.keys().chain(&self.directories).any(|name| parent(name) == path);
        if used || !self.directories.remove(path) { Err(Fault::Error) } else { Ok(()) }
    }

    /// Names in a directory, files first; a directory carries a backslash behind its name.
    pub(super) fn list(&self, directory: &str) -> Result<Vec<String>, Fault> {
        if !directory.is_empty() && !self.directories.contains(directory) {
            return Err(Fault::NO_FILE);
        }
        let within = |path: &&String| parent(path) == directory;
        let name = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
        let files = self.files.keys().filter(within).map(name);
        let directories = self.directories.iter().filter(within).map(|path| name(path) + "\\");
        Ok(files.chain(directories).collect())
    }

    pub(super) fn free(&self) -> usize {
        self.space.saturating_sub(self.files.values().map(Vec::len).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_file_system_refuses_and_keeps_what_it_has() {
        let mut files = Files::new(10);
        files.create("/a".into()).unwrap();
        files.write("/a", false, b"12345678").unwrap();
        assert_eq!(files.write("/a", true, b"345"), Err(Fault::NO_SPACE));
        assert_eq!(files.write("/a", false, b"0123456789"), Ok(()));
        assert_eq!(files.read("/a"), Ok(&b"0123456789"[..]));
        assert_eq!(files.free(), 0);
    }

    #[test]
    fn directory_with_something_in_it_is_not_removed() {
        let mut files = Files::new(10);
        files.make_directory("/d".into()).unwrap();
        files.create("/d/f".into()).unwrap();
        assert_eq!(files.remove_directory("/d"), Err(Fault::Error));
        files.delete("/d/f").unwrap();
        assert_eq!(files.remove_directory("/d"), Ok(()));
    }

    #[test]
    fn leading_slash_names_the_same_file_and_dots_are_refused() {
        assert_eq!(path("ca.crt"), path("/ca.crt"));
        assert_eq!(path("/a/../b"), Err(Fault::RANGE));
        assert_eq!(path(""), Err(Fault::RANGE));
    }
}
