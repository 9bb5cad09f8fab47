//! The whole platform with the real functions.

use std::path::Path;

use aws_sdk_sqs::Client;
use domain::Email;
use lambda::{Clock, Random};
use serde_json::{Value, json};
use store::AccountStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::until;
use crate::keys::TokenKeys;
use crate::settings::{CLICKS_QUEUE, TABLES, retention};
use crate::stores::{Access, reset_password};
use crate::verify::{Verdict, verify};
use crate::{Data, Options, Owner, Platform};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// Asks a platform, with its key, and answers status and body.
async fn ask(platform: &Platform, line: &str, body: &str) -> (u16, String) {
    ask_with(platform, &platform.ready().api_key, line, body).await
}

async fn ask_with(platform: &Platform, token: &str, line: &str, body: &str) -> (u16, String) {
    let headers = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    send(platform, line, &headers, body).await
}

async fn send(platform: &Platform, line: &str, headers: &str, body: &str) -> (u16, String) {
    let host = platform.ready().url.strip_prefix("http://").unwrap();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nuser-agent: {BROWSER}\r\n\
         {headers}content-length: {length}\r\n\r\n{body}"
    );
    let mut socket = TcpStream::connect(host).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Signs somebody in: status and tokens.
async fn sign_in(platform: &Platform, Owner { email, password }: &Owner) -> (u16, Value) {
    let form =
        format!("grant_type=password&client_id=signpost&username={email}&password={password}");
    let headers = "content-type: application/x-www-form-urlencoded\r\n";
    let (status, body) = send(platform, "POST /oauth/token", headers, &form).await;
    (status, serde_json::from_str(&body).unwrap())
}

/// What a token opens: the answer of the person's own page.
async fn me(platform: &Platform, token: &str) -> (u16, String) {
    ask_with(platform, token, "GET /api/v1/users/me", "").await
}

async fn create(platform: &Platform, slug: &str) -> Value {
    let body = json!({"url": "https://example.com/page", "slug": slug}).to_string();
    let (status, body) = ask(platform, "POST /api/v1/links", &body).await;
    assert_eq!(status, 201, "{body}");
    serde_json::from_str(&body).unwrap()
}

async fn clicks(platform: &Platform, link: &Value) -> Value {
    let line = format!("GET /api/v1/links/{}", link["id"].as_str().unwrap());
    let (status, body) = ask(platform, &line, "").await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["clicks"].clone()
}

async fn start(data: Data, poll: bool) -> Platform {
    Platform::start(Options { poll, ..Options::new(data) }).await.unwrap()
}

fn in_folder(path: &Path) -> Data {
    Data::Directory(path.to_owned())
}

#[tokio::test]
async fn a_link_is_made_followed_and_counted() {
    let platform = start(Data::Memory, true).await;
    let link = create(&platform, "spring").await;
    assert_eq!(link["short_url"], format!("{}/spring", platform.ready().url));
    assert_eq!(ask(&platform, "GET /spring", "").await.0, 302);
    assert_eq!(ask(&platform, "HEAD /spring", "").await.0, 302);
    until("the click is counted", async || {
        clicks(&platform, &link).await == json!({"total": 1, "human": 1, "bot": 0})
    })
    .await;
    platform.stop().await;
}

#[tokio::test]
async fn workers_can_be_stepped() {
    let platform = start(Data::Memory, false).await;
    let link = create(&platform, "spring").await;
    for _ in 0..3 {
        assert_eq!(ask(&platform, "GET /spring", "").await.0, 302);
    }
    assert_eq!(clicks(&platform, &link).await["total"], 0);
    platform.work_off().await.unwrap();
    assert_eq!(clicks(&platform, &link).await["total"], 3);
    platform.stop().await;
}

#[tokio::test]
async fn what_was_in_work_at_the_end_is_done_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let platform = start(in_folder(folder.path()), false).await;
    let first = platform.ready().clone();
    let link = create(&platform, "spring").await;
    for _ in 0..5 {
        assert_eq!(ask(&platform, "GET /spring", "").await.0, 302);
    }
    // Received by somebody who then dies.
    let sqs = Client::new(&platform.aws());
    let url = sqs.get_queue_url().queue_name(CLICKS_QUEUE).send().await.unwrap().queue_url.unwrap();
    let received = sqs.receive_message().queue_url(url).max_number_of_messages(3).send();
    assert_eq!(received.await.unwrap().messages().len(), 3);
    drop(sqs);
    platform.stop().await;

    let platform = start(in_folder(folder.path()), true).await;
    assert_eq!(platform.ready().api_key, first.api_key);
    assert_ne!(platform.ready().url, first.url);
    // The link kept its domain, and its slug works at the new port.
    assert_eq!(platform.origins(), first.url);
    assert_eq!(ask(&platform, "GET /spring", "").await.0, 302);
    until("all clicks are counted", async || clicks(&platform, &link).await["total"] == 6).await;
    platform.stop().await;
}

#[tokio::test]
async fn an_api_key_outlives_the_stores_and_the_stores_outlive_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = async || {
        let platform = start(in_folder(folder.path()), false).await;
        let key = platform.ready().api_key.clone();
        assert_eq!(ask(&platform, "GET /api/v1/links", "").await.0, 200);
        let count = ask(&platform, "GET /api/v1/links", "").await.1.matches("lnk_").count();
        if count == 0 {
            create(&platform, "spring").await;
        }
        platform.stop().await;
        (key, count)
    };
    let (first, _) = key().await;
    std::fs::remove_file(folder.path().join("api-key")).unwrap();
    // Another key, of the same workspace.
    let (second, links) = key().await;
    assert!(second != first && links == 1);
    for name in ["dynamodb.sqlite", "sqs.sqlite"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert_eq!(key().await, (second, 0));
    std::fs::write(folder.path().join("api-key"), "nonsense").unwrap();
    let error = Platform::start(Options::new(in_folder(folder.path()))).await.unwrap_err();
    assert!(error.to_string().contains("`api-key`"), "{error:#}");
}

#[tokio::test]
async fn a_key_that_was_revoked_does_not_come_back_with_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let platform = start(in_folder(folder.path()), false).await;
    let first = platform.ready().api_key.clone();
    let id = format!("key_{}", &first[3..29]);
    assert_eq!(ask(&platform, &format!("DELETE /api/v1/keys/{id}"), "").await.0, 204);
    platform.stop().await;
    let platform = start(in_folder(folder.path()), false).await;
    assert_ne!(platform.ready().api_key, first);
    assert_eq!(ask_with(&platform, &first, "GET /api/v1/links", "").await.0, 401);
    assert_eq!(ask(&platform, "GET /api/v1/links", "").await.0, 200);
    platform.stop().await;
}

#[tokio::test]
async fn the_key_of_a_directory_from_before_there_were_lists_is_listed_and_can_be_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let platform = start(in_folder(folder.path()), false).await;
    let id = format!("key_{}", &platform.ready().api_key[3..29]);
    let listed =
        async |platform: &Platform| ask(platform, "GET /api/v1/keys", "").await.1.contains(&id);
    assert!(listed(&platform).await);
    let accounts = AccountStore::new(&platform.aws(), TABLES.accounts);
    let workspace = accounts.workspaces().await.unwrap()[0];
    drop(accounts);
    let key = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
    let delete = aws_sdk_dynamodb::Client::new(&platform.aws()).delete_item();
    let delete = delete.table_name(TABLES.accounts).key("pk", key(format!("W#{workspace}")));
    delete.key("sk", key(format!("K#{id}"))).send().await.unwrap();
    assert!(!listed(&platform).await);
    let line = format!("DELETE /api/v1/keys/{id}");
    assert_eq!(ask(&platform, &line, "").await.0, 404);
    platform.stop().await;
    for _ in 0..2 {
        let platform = start(in_folder(folder.path()), false).await;
        assert!(listed(&platform).await);
        platform.stop().await;
    }
    let platform = start(in_folder(folder.path()), false).await;
    assert_eq!(ask(&platform, &line, "").await.0, 204);
    platform.stop().await;
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_whether_the_server_runs_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let platform = start(in_folder(folder.path()), false).await;
    let owner = platform.ready().owner.clone().unwrap();
    let (_, tokens) = sign_in(&platform, &owner).await;
    // Whoever has forgotten it has tried in vain.
    let wrong = Owner { password: "not the right one".to_owned(), ..owner.clone() };
    for _ in 0..5 {
        assert_eq!(sign_in(&platform, &wrong).await.0, 400);
    }
    assert_eq!(sign_in(&platform, &owner).await.0, 429);

    let beside = reset(folder.path(), &owner).await;
    assert_eq!(sign_in(&platform, &beside).await.0, 200);
    assert_eq!(sign_in(&platform, &owner).await.0, 400);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    let headers = "content-type: application/x-www-form-urlencoded\r\n";
    let (status, body) = send(&platform, "POST /oauth/token", headers, &form).await;
    assert_eq!(status, 400, "{body}");
    platform.stop().await;

    let alone = reset(folder.path(), &beside).await;
    let platform = start(in_folder(folder.path()), false).await;
    assert_eq!(sign_in(&platform, &alone).await.0, 200);
    assert_eq!(sign_in(&platform, &beside).await.0, 400);
    platform.stop().await;
}

/// Gives somebody a new password, as the command does, and answers how they sign in.
async fn reset(folder: &Path, owner: &Owner) -> Owner {
    let access = Access::to(folder).await.unwrap();
    let accounts = AccountStore::new(&access.aws(), TABLES.accounts);
    let (clock, random) = (Clock::system(), Random::system());
    let reset = async |email: &str| {
        let email = Email::parse(email).unwrap();
        reset_password(&accounts, folder, &email, &clock, &random).await
    };
    let kept = || std::fs::read_to_string(folder.join("owner-password")).unwrap();
    let error = reset("nobody@example.com").await.unwrap_err();
    assert_eq!(error.to_string(), "nobody has the address `nobody@example.com`");
    assert_eq!(kept().trim(), owner.password, "only the first person's is kept");
    let password = reset(&owner.email).await.unwrap();
    assert_eq!(kept().trim(), password);
    assert_ne!(password, owner.password);
    Owner { password, ..owner.clone() }
}

#[tokio::test]
async fn the_first_person_signs_in_with_the_password_that_is_shown_once() {
    let folder = tempfile::tempdir().unwrap();
    let platform = start(in_folder(folder.path()), false).await;
    let owner = platform.ready().owner.clone().unwrap();
    assert_eq!(owner.email, "owner@example.com");
    let kept = std::fs::read_to_string(folder.path().join("owner-password")).unwrap();
    assert_eq!(kept.trim(), owner.password);
    let running = std::fs::read_to_string(folder.path().join("running.json")).unwrap();
    assert!(!running.contains(&owner.password), "one file is enough");
    let (status, tokens) = sign_in(&platform, &owner).await;
    assert_eq!(status, 200, "{tokens}");
    let (status, body) = me(&platform, tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(status, 200, "{body}");
    let me: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(me["workspaces"][0]["role"], "owner", "{me}");
    // The workspace is the API key's.
    let link = create(&platform, "spring").await;
    let path = format!("GET /api/v1/links/{}", link["id"].as_str().unwrap());
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(ask_with(&platform, token, &path, "").await.0, 200);
    platform.stop().await;
    let platform = start(in_folder(folder.path()), false).await;
    assert_eq!(platform.ready().owner, None);
    assert_eq!(sign_in(&platform, &owner).await.0, 200);
    platform.stop().await;
}

#[tokio::test]
async fn tokens_of_the_key_before_the_rotation_work_and_those_of_a_dropped_one_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let platform = start(in_folder(folder.path()), false).await;
    let owner = platform.ready().owner.clone().unwrap();
    let token = async |platform: &Platform| {
        sign_in(platform, &owner).await.1["access_token"].as_str().unwrap().to_owned()
    };
    let kids = async |platform: &Platform| {
        let (_, body) = ask(platform, "GET /.well-known/jwks.json", "").await;
        serde_json::from_str::<Value>(&body).unwrap()["keys"].as_array().unwrap().len()
    };
    let old = token(&platform).await;
    assert_eq!(kids(&platform).await, 1);
    let keys = TokenKeys::of(folder.path()).unwrap();
    let rotate = |hours| {
        let hours = jiff::SignedDuration::from_hours(hours);
        keys.rotate(Clock::system().now().checked_add(hours).unwrap()).unwrap();
    };
    rotate(0);
    assert_eq!(me(&platform, &old).await.0, 200, "a server goes on with what it has read");
    platform.stop().await;

    let platform = start(in_folder(folder.path()), false).await;
    assert_eq!((kids(&platform).await, me(&platform, &old).await.0), (2, 200));
    let new = token(&platform).await;
    assert_eq!(me(&platform, &new).await.0, 200);
    platform.stop().await;

    rotate(2);
    let platform = start(in_folder(folder.path()), false).await;
    assert_eq!(kids(&platform).await, 2);
    assert_eq!(me(&platform, &old).await.0, 401, "its key is dropped");
    assert_eq!(me(&platform, &new).await.0, 200);
    platform.stop().await;
}

#[tokio::test]
async fn a_second_platform_is_told_where_the_first_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let platform = start(in_folder(folder.path()), false).await;
    let error = Platform::start(Options::new(in_folder(folder.path()))).await.unwrap_err();
    let url = &platform.ready().url;
    assert!(error.to_string().ends_with(&format!("the server at {url}")), "{error:#}");
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    let taken = Options { port, ..Options::new(Data::Memory) };
    let error = Platform::start(taken).await.unwrap_err().to_string();
    assert!(error.contains("--port"), "{error}");
    platform.stop().await;
}

#[tokio::test]
async fn verify_works_beside_a_server_and_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let platform = start(in_folder(folder.path()), false).await;
    create(&platform, "spring").await;
    assert_eq!(ask(&platform, "GET /spring", "").await.0, 302);
    platform.work_off().await.unwrap();
    let retention = retention(&lambda::Env::fixed([])).unwrap();
    let now = Clock::system().now();

    let shared = Access::to(folder.path()).await.unwrap();
    assert!(matches!(shared, Access::Shared { .. }));
    let beside = verify(&shared.aws(), now, retention).await.unwrap();
    assert_eq!(beside.verdict(), Verdict::Exact, "{beside}");
    platform.stop().await;

    let own = Access::to(folder.path()).await.unwrap();
    assert!(matches!(own, Access::Own { .. }));
    let without = verify(&own.aws(), now, retention).await.unwrap();
    assert_eq!(beside.to_string(), without.to_string());

    // One click row is lost behind the ledger's back.
    let dynamodb = Table::of(&own);
    dynamodb.lose_a_click().await;
    let broken = verify(&own.aws(), now, retention).await.unwrap();
    assert_eq!(broken.verdict(), Verdict::Wrong);
    let shown = broken.to_string();
    assert!(shown.contains("the recorded clicks are 0 human and 0 bot"), "{shown}");
    assert!(shown.contains("the count says 1 human and 0 bot"), "{shown}");
}

/// The clicks table, past all rules.
struct Table(aws_sdk_dynamodb::Client);

impl Table {
    fn of(access: &Access) -> Self {
        Self(aws_sdk_dynamodb::Client::new(&access.aws()))
    }

    async fn lose_a_click(&self) {
        let statement = "SELECT pk, sk FROM clicks";
        let rows = self.0.execute_statement().statement(statement).send().await.unwrap();
        let click = rows.items().iter().find(|row| row["pk"].as_s().unwrap().starts_with("C#"));
        let key = click.unwrap().clone();
        self.0.delete_item().table_name("clicks").set_key(Some(key)).send().await.unwrap();
    }
}
