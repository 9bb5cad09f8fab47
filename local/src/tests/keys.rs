//! Keys of access tokens.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::data::DataDir;
use crate::keys::TokenKeys;

fn at(seconds: i64) -> Timestamp {
    let begin: Timestamp = "2026-11-20T14:03:27.412Z".parse().unwrap();
    begin.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// The files that a setting names, without their folder.
fn names(setting: &str) -> Vec<&str> {
    setting.split(',').map(|key| key.rsplit('/').next().unwrap_or_default()).collect()
}

fn keys(folder: &Path) -> TokenKeys {
    TokenKeys::of(folder).unwrap()
}

#[test]
fn the_first_key_is_made_once() {
    let folder = TempDir::new().unwrap();
    let first = keys(folder.path()).setting(at(0)).unwrap();
    assert_eq!(names(&first), ["20261120T140327412Z.pem"]);
    assert!(first.starts_with("file:/"), "{first}");
    assert_eq!(keys(folder.path()).setting(at(5)).unwrap(), first);
}

#[test]
fn a_new_key_signs_and_the_old_one_is_believed_until_the_rotation_after_an_hour() {
    let folder = TempDir::new().unwrap();
    let keys = keys(folder.path());
    keys.setting(at(0)).unwrap();
    let second = keys.rotate(at(10)).unwrap();
    assert!(second.dropped.is_empty());
    let setting = keys.setting(at(11)).unwrap();
    assert_eq!(names(&setting), ["20261120T140337412Z.pem", "20261120T140327412Z.pem"]);
    // Twice within the hour: both older ones may have signed tokens that are still good.
    assert!(keys.rotate(at(20)).unwrap().dropped.is_empty());
    assert_eq!(names(&keys.setting(at(21)).unwrap()).len(), 3);
    // The first one's successor is an hour old, the second one's is not.
    let fourth = keys.rotate(at(3610)).unwrap();
    assert_eq!(fourth.dropped, [folder.path().join("token-keys/20261120T140327412Z.pem")]);
    let setting = keys.setting(at(3611)).unwrap();
    let expected =
        ["20261120T150337412Z.pem", "20261120T140347412Z.pem", "20261120T140337412Z.pem"];
    assert_eq!(names(&setting), expected);
}

#[test]
fn what_is_no_key_in_the_folder_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let keys = keys(folder.path());
    for name in ["notes.txt", "x.pem", "20261120T140327412Z.pem.new", "20269999T999999999Z.pem"] {
        std::fs::write(folder.path().join("token-keys").join(name), "x").unwrap();
    }
    assert_eq!(names(&keys.setting(at(0)).unwrap()), ["20261120T140327412Z.pem"]);
}

#[test]
fn keys_without_a_data_directory_are_gone_with_their_owner() {
    let keys = TokenKeys::open(None).unwrap();
    let setting = keys.setting(at(0)).unwrap();
    let path = setting.strip_prefix("file:").unwrap().to_owned();
    assert!(Path::new(&path).exists());
    drop(keys);
    assert!(!Path::new(&path).exists());
}

#[cfg(unix)]
#[test]
fn keys_are_for_this_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let data = DataDir::take(&folder.path().join("data")).unwrap();
    let keys = TokenKeys::open(Some(&data)).unwrap();
    let setting = keys.setting(at(0)).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = Path::new(setting.strip_prefix("file:").unwrap());
    assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700));
}
