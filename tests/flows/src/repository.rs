//! The files of this repository, and what Cargo knows of its crates.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The folder of the repository.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.join("../..").canonicalize().expect("the repository is there")
    })
}

/// Reads a file; `path` is from the root.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a YAML file.
pub(crate) fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether there is such a file or folder.
pub(crate) fn exists(path: impl AsRef<Path>) -> bool {
    root().join(path).exists()
}

/// The names of the folders in a folder.
pub(crate) fn folders(path: &str) -> BTreeSet<String> {
    entries(Path::new(path)).into_iter().filter(|(_, path)| path.is_dir()).map(first).collect()
}

/// The files of an extension in a folder and all below it; paths are from the root.
pub(crate) fn files(path: impl AsRef<Path>, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (_, path) in entries(path.as_ref()) {
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            let path = path.strip_prefix(root()).expect("it is below the root");
            found.push(path.to_owned());
        }
    }
    found.sort();
    found
}

/// What stands in a folder, without hidden files and what is built.
fn entries(path: &Path) -> Vec<(String, PathBuf)> {
    let folder = root().join(path);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("the folder can be read");
        (entry.file_name().to_string_lossy().into_owned(), entry.path())
    };
    entries
        .map(entry)
        .filter(|(name, _)| !name.starts_with('.') && name != "target" && name != "node_modules")
        .collect()
}

fn first<A, B>((a, _): (A, B)) -> A {
    a
}

/// What `cargo metadata` says, with the whole graph of dependencies.
pub(crate) fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        // What is built is here already. The crates that only other systems need may be fetched.
        cargo.args(["metadata", "--format-version=1", "--locked"]).current_dir(root());
        let output = cargo.output().expect("cargo starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo metadata: {said}");
        serde_json::from_slice(&output.stdout).expect("cargo answers JSON")
    })
}

/// One crate of this workspace.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Its folder, from the root.
    pub(crate) folder: PathBuf,
    /// Its package in the metadata.
    pub(crate) package: &'static Value,
}

/// The crates of this workspace.
pub(crate) fn members() -> Vec<Member> {
    let ids = list(&metadata()["workspace_members"]);
    let packages = list(&metadata()["packages"]).iter();
    packages
        .filter(|package| ids.contains(&package["id"]))
        .map(|package| {
            let manifest = Path::new(text(&package["manifest_path"]));
            let folder = manifest.parent().expect("a manifest is in a folder");
            let folder = folder.strip_prefix(root()).unwrap_or(folder).to_owned();
            Member { name: text(&package["name"]).to_owned(), folder, package }
        })
        .collect()
}

/// The items of a JSON list; none if it is no list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A JSON string; empty if it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Ends the test with everything that was found, if anything was.
#[track_caller]
pub(crate) fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n- {}\n", faults.join("\n- "));
}
