//! The data directory.

use std::fs;

use tempfile::TempDir;

use crate::data::{DataDir, DataDirError, Ready, Running};
use crate::platform::{Data, Options, Platform};

fn running(url: &str) -> Running {
    let ready = Ready {
        url: url.to_owned(),
        api_key: "sp_x".to_owned(),
        owner: None,
        aws_endpoint: "http://127.0.0.1:1".to_owned(),
        data_dir: None,
    };
    Running { ready, origins: url.to_owned() }
}

#[test]
fn a_directory_is_one_process_s_own_and_says_whose() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new/data");
    let own = DataDir::take(&path).unwrap();
    let error = DataDir::take(&path).unwrap_err();
    assert!(matches!(&error, DataDirError::InUse { running: None, .. }), "{error:?}");
    assert!(error.to_string().ends_with("is in use by another command"), "{error}");
    own.remember_running(&running("http://127.0.0.1:8123")).unwrap();
    let error = DataDir::take(&path).unwrap_err();
    assert!(error.to_string().ends_with("the server at http://127.0.0.1:8123"), "{error}");
    drop(own);
    // As after a crash: the file is there, the lock is not.
    let own = DataDir::take(&path).unwrap();
    let error = DataDir::take(&path).unwrap_err();
    assert!(matches!(&error, DataDirError::InUse { running: None, .. }), "{error:?}");
    drop(own);
}

#[test]
fn what_is_remembered_is_there_the_next_time() {
    let folder = TempDir::new().unwrap();
    let own = DataDir::take(folder.path()).unwrap();
    assert_eq!(own.api_key().unwrap(), None);
    own.remember_api_key("sp_1").unwrap();
    own.remember_api_key("sp_2").unwrap();
    assert_eq!(own.origin(8000).unwrap(), "http://127.0.0.1:8000");
    drop(own);
    let own = DataDir::take(folder.path()).unwrap();
    assert_eq!(own.api_key().unwrap().as_deref(), Some("sp_2"));
    assert_eq!(own.origin(9000).unwrap(), "http://127.0.0.1:8000");
}

#[cfg(unix)]
#[test]
fn secrets_are_for_this_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data");
    let own = DataDir::take(&path).unwrap();
    own.remember_api_key("sp_1").unwrap();
    own.remember_running(&running("http://127.0.0.1:8123")).unwrap();
    let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("api-key"), mode("running.json")), (0o700, 0o600, 0o600));
}

#[cfg(unix)]
#[tokio::test]
async fn data_is_for_this_user_only_whoever_made_its_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data");
    fs::create_dir(&path).unwrap();
    // By an earlier version, or as the umask said.
    for name in ["lock", "dynamodb.sqlite", "sqs.sqlite"] {
        fs::write(path.join(name), "").unwrap();
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let options = Options { poll: false, ..Options::new(Data::Directory(path.clone())) };
    let platform = Platform::start(options).await.unwrap();
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        let (mode, private) =
            (metadata.permissions().mode() & 0o777, if metadata.is_dir() { 0o700 } else { 0o600 });
        assert_eq!(mode, private, "{:?}: {mode:o}", entry.file_name());
    }
    platform.stop().await;
}
