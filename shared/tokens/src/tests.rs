//! Tokens of keys in files and in KMS, and all that is not believed.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use domain::{KeyId, Principal, RefreshToken, Scope, SessionId, TokenId, UserId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use lambda::{Boot, Clock, Env, Metrics, Random};
use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

mod fake_kms;

use fake_kms::FakeKms;

const ORIGINS: &str = "https://go.example.com,https://other.example.com";

fn now() -> Timestamp {
    "2026-11-20T14:03:27.412Z".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

fn boot_at(kms: &FakeKms, origins: &str, keys: &str) -> Boot {
    let env = [("ORIGINS", origins), ("TOKEN_KEYS", keys)];
    Boot {
        name: "test",
        env: Env::fixed(env.map(|(name, value)| (name, value.to_owned()))),
        aws: kms.sdk_config(),
        clock: Clock::fixed(now()),
        random: Random::seeded(1),
        metrics: Metrics::in_memory(),
    }
}

fn load(kms: &FakeKms, keys: &str) -> Tokens {
    Tokens::load(&boot_at(kms, ORIGINS, keys)).unwrap()
}

/// Key files that are gone with the test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file with this text that only its owner may read; the setting that names it.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        set_mode(&path, 0o600);
        format!("file:{}", path.display())
    }

    fn key(&self, name: &str) -> String {
        self.write(name, &new_key().unwrap())
    }
}

#[cfg(unix)]
fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn tokens(files: &Files) -> Tokens {
    load(&FakeKms::new(&[]), &files.key("key.pem"))
}

fn of_person() -> AccessToken {
    AccessToken::new(
        TokenId::new(now(), 1),
        Principal::User(UserId::new(now(), 2)),
        Some(WorkspaceId::new(now(), 3)),
        vec![Scope::LinksRead, Scope::Account],
        Some(SessionId::of(&RefreshToken::new([4, 5, 6]))),
        now(),
    )
}

fn of_key() -> AccessToken {
    let key = Principal::Key(KeyId::new(now(), 2));
    let workspace = Some(WorkspaceId::new(now(), 3));
    AccessToken::new(TokenId::new(now(), 1), key, workspace, vec![Scope::Admin], None, now())
}

/// A token's header and claims.
fn parts(text: &str) -> [Value; 2] {
    let mut parts = text.split('.');
    [(); 2]
        .map(|()| serde_json::from_slice(&BASE64.decode(parts.next().unwrap()).unwrap()).unwrap())
}

/// A token of other content, signed by the key that `tokens` sign with.
async fn forge(
    tokens: &Tokens,
    files: &Files,
    change: impl FnOnce(&mut Value, &mut Value),
) -> String {
    let kid = tokens.jwks().await.unwrap().keys.remove(0).kid;
    let mut header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid});
    let mut claims = json!({
        "iss": "https://go.example.com", "aud": "https://go.example.com/api/v1",
        "sub": UserId::new(now(), 2).to_string(), "scope": "links:read", "client_id": "signpost",
        "jti": TokenId::new(now(), 1).to_string(),
        "iat": now().as_second(), "exp": now().as_second() + 900,
    });
    change(&mut header, &mut claims);
    let unsigned =
        format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let key = file::FileKey::read(&files.path("key.pem")).unwrap();
    jwt::signed(&unsigned, &key.sign(unsigned.as_bytes()).unwrap())
}

#[track_caller]
fn refusal(outcome: Result<AccessToken, VerifyError>) -> Refusal {
    match outcome {
        Err(VerifyError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_reads_back_and_says_what_the_rfc_asks_for() {
    let files = Files::new();
    let tokens = tokens(&files);
    for token in [of_person(), of_key()] {
        let text = tokens.sign(&token).await.unwrap();
        assert_eq!(tokens.verify(&text, now()).await.unwrap(), token);
        let [header, claims] = parts(&text);
        assert_eq!(header["alg"], "ES256");
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!(header["kid"], tokens.jwks().await.unwrap().keys[0].kid);
        assert_eq!(claims["iss"], "https://go.example.com");
        assert_eq!(claims["aud"], "https://go.example.com/api/v1");
        assert_eq!(claims["exp"], now().as_second() + 900);
        assert_eq!(claims["iat"], now().as_second());
        assert_eq!(claims["sub"], token.principal.to_string());
        assert_eq!(claims["ws"], token.workspace.unwrap().to_string());
        assert!(text.len() < 1024, "{} bytes", text.len());
    }
    let nowhere = AccessToken { workspace: None, ..of_person() };
    let text = tokens.sign(&nowhere).await.unwrap();
    assert!(parts(&text)[1].get("ws").is_none());
    assert_eq!(tokens.verify(&text, now()).await.unwrap(), nowhere);
}

#[tokio::test]
async fn a_token_is_good_for_fifteen_minutes_and_clocks_may_differ_by_one() {
    let files = Files::new();
    let tokens = tokens(&files);
    let text = tokens.sign(&of_person()).await.unwrap();
    // Its own times are whole seconds: .412 earlier than `now`.
    for good in [-60, -1, 0, 899, 900, 959] {
        assert!(tokens.verify(&text, after(good)).await.is_ok(), "{good}");
    }
    let at = |moment: &str| tokens.verify(&text, moment.parse().unwrap());
    assert!(at("2026-11-20T14:02:27.000Z").await.is_ok());
    assert_eq!(refusal(at("2026-11-20T14:02:26.999Z").await), Refusal::NotYet);
    assert!(at("2026-11-20T14:19:26.999Z").await.is_ok());
    assert_eq!(refusal(at("2026-11-20T14:19:27.000Z").await), Refusal::Expired);
}

#[tokio::test]
async fn no_other_algorithm_is_taken_whatever_signed_it() {
    let files = Files::new();
    let tokens = tokens(&files);
    for algorithm in ["none", "None", "", "HS256", "RS256", "ES384", "es256", "EdDSA"] {
        let text = forge(&tokens, &files, |header, _| header["alg"] = json!(algorithm)).await;
        let refusal = refusal(tokens.verify(&text, now()).await);
        assert_eq!(refusal, Refusal::Algorithm, "{algorithm}");
    }
    // The classic: unsigned.
    let text = forge(&tokens, &files, |header, _| header["alg"] = json!("none")).await;
    let unsigned = text.rsplit_once('.').unwrap().0;
    assert_eq!(refusal(tokens.verify(&format!("{unsigned}."), now()).await), Refusal::Algorithm);
    // The other one: the public key as the secret of an HMAC.
    let text = forge(&tokens, &files, |header, _| header["alg"] = json!("HS256")).await;
    let unsigned = text.rsplit_once('.').unwrap().0;
    let jwk = tokens.jwks().await.unwrap().keys.remove(0);
    let public = serde_json::to_vec(&jwk).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &public);
    let text = jwt::signed(unsigned, hmac::sign(&key, unsigned.as_bytes()).as_ref());
    assert_eq!(refusal(tokens.verify(&text, now()).await), Refusal::Algorithm);
    // And what says nothing of its algorithm.
    let text = forge(&tokens, &files, |header, _| {
        header.as_object_mut().unwrap().remove("alg");
    })
    .await;
    assert_eq!(refusal(tokens.verify(&text, now()).await), Refusal::Malformed);
}

#[tokio::test]
async fn only_our_own_access_tokens_for_ourselves_are_taken() {
    type Change = fn(&mut Value, &mut Value);
    let cases: [(Change, Refusal); 17] = [
        (|h, _| h["typ"] = json!("JWT"), Refusal::Type),
        (|h, _| h["crit"] = json!(["b64"]), Refusal::Type),
        (|h, _| h["kid"] = json!("x"), Refusal::UnknownKey),
        (|h, _| h["kid"] = json!(7), Refusal::Malformed),
        (|_, c| c["iss"] = json!("https://other.example.com"), Refusal::Issuer),
        (|_, c| c["iss"] = json!("https://go.example.com/"), Refusal::Issuer),
        (|_, c| c["aud"] = json!("https://go.example.com"), Refusal::Audience),
        (|_, c| c["aud"] = json!(["https://go.example.com/api/v1"]), Refusal::Malformed),
        (|_, c| c["sub"] = json!("lnk_01M6DQS9M08V7Q2K4N6T9W3X5Y"), Refusal::Malformed),
        (|_, c| c["ws"] = json!("x"), Refusal::Malformed),
        (|_, c| c["sid"] = json!("ses_x"), Refusal::Malformed),
        (|_, c| c["scope"] = json!("links:read root"), Refusal::Malformed),
        (|_, c| c["jti"] = json!(""), Refusal::Malformed),
        (|_, c| c["exp"] = json!("never"), Refusal::Malformed),
        (|_, c| c["exp"] = json!(i64::MAX), Refusal::Malformed),
        (|_, c| c["nbf"] = json!(now().as_second() + 62), Refusal::NotYet),
        (|_, c| c["exp"] = json!(now().as_second() - 60), Refusal::Expired),
    ];
    let files = Files::new();
    let tokens = tokens(&files);
    for (at, (change, expected)) in cases.into_iter().enumerate() {
        let text = forge(&tokens, &files, change).await;
        assert_eq!(refusal(tokens.verify(&text, now()).await), expected, "case {at}");
    }
    for missing in ["iss", "aud", "sub", "scope", "jti", "iat", "exp"] {
        let text = forge(&tokens, &files, |_, claims| {
            claims.as_object_mut().unwrap().remove(missing);
        })
        .await;
        assert_eq!(refusal(tokens.verify(&text, now()).await), Refusal::Malformed, "{missing}");
    }
    let fine = forge(&tokens, &files, |_, claims| claims["more"] = json!("is ignored")).await;
    assert!(tokens.verify(&fine, now()).await.is_ok());
}

#[tokio::test]
async fn not_one_bit_of_a_token_can_be_changed() {
    let files = Files::new();
    let tokens = tokens(&files);
    let text = tokens.sign(&of_person()).await.unwrap();
    let bytes = text.as_bytes();
    for at in 0..bytes.len() {
        let mut wrong = bytes.to_vec();
        wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
        let wrong = String::from_utf8(wrong).unwrap();
        assert!(tokens.verify(&wrong, now()).await.is_err(), "character {at}");
    }
    for wrong in [&text[..text.len() - 1], &format!("{text}A"), &format!("{text}="), &text[1..]] {
        assert!(tokens.verify(wrong, now()).await.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn another_key_of_the_same_name_signs_nothing() {
    let files = Files::new();
    let ours = tokens(&files);
    let others = Files::new();
    let _ = others.key("key.pem");
    // The kid is ours, the signature is theirs.
    let text = forge(&ours, &others, |_, _| {}).await;
    assert_eq!(refusal(ours.verify(&text, now()).await), Refusal::Signature);
}

#[tokio::test]
async fn tokens_of_the_old_key_work_until_it_is_dropped() {
    let (files, kms) = (Files::new(), FakeKms::new(&[]));
    let (old, new) = (files.key("old.pem"), files.key("new.pem"));
    let before = load(&kms, &old);
    let text = before.sign(&of_person()).await.unwrap();

    let during = load(&kms, &format!("{new}, {old}"));
    assert_eq!(during.verify(&text, now()).await.unwrap(), of_person());
    let newer = during.sign(&of_person()).await.unwrap();
    let kids: Vec<_> = during.jwks().await.unwrap().keys.into_iter().map(|key| key.kid).collect();
    assert_eq!(parts(&newer)[0]["kid"], kids[0], "the first key signs");
    assert_eq!(parts(&text)[0]["kid"], kids[1]);
    // A function that was not told yet.
    assert_eq!(refusal(before.verify(&newer, now()).await), Refusal::UnknownKey);

    let after = load(&kms, &new);
    assert_eq!(refusal(after.verify(&text, now()).await), Refusal::UnknownKey);
    assert!(after.verify(&newer, now()).await.is_ok());
}

#[tokio::test]
async fn kms_signs_what_anybody_can_verify_and_gives_its_public_key_once() {
    let kms = FakeKms::new(&["alpha", "beta"]);
    let tokens = load(&kms, "kms:alpha,kms:beta");
    assert!(kms.take_calls().is_empty(), "nothing is asked before it is needed");
    for _ in 0..20 {
        let text = tokens.sign(&of_person()).await.unwrap();
        assert_eq!(tokens.verify(&text, now()).await.unwrap(), of_person());
    }
    let calls = kms.take_calls();
    assert_eq!(calls.iter().filter(|call| *call == "GetPublicKey alpha").count(), 1);
    assert_eq!(calls.iter().filter(|call| *call == "Sign alpha").count(), 20);
    assert_eq!(calls.len(), 21, "the second key is not needed: {calls:?}");

    // A made-up kid costs one call once.
    let text = tokens.sign(&of_person()).await.unwrap();
    let [header, claims] = parts(&text);
    let header = header.to_string().replace(header["kid"].as_str().unwrap(), "x");
    let forged = format!("{}.{}.AAAA", BASE64.encode(header), BASE64.encode(claims.to_string()));
    kms.take_calls();
    for _ in 0..3 {
        assert_eq!(refusal(tokens.verify(&forged, now()).await), Refusal::UnknownKey);
    }
    assert_eq!(kms.take_calls(), ["GetPublicKey beta"]);
    assert_eq!(tokens.jwks().await.unwrap().keys.len(), 2);
    assert!(kms.take_calls().is_empty());
}

#[tokio::test]
async fn another_process_verifies_by_its_own_copy_of_the_public_key() {
    let kms = FakeKms::new(&["alpha", "beta"]);
    let text = load(&kms, "kms:beta").sign(&of_key()).await.unwrap();
    let other = load(&kms, "kms:alpha,kms:beta");
    kms.take_calls();
    assert_eq!(other.verify(&text, now()).await.unwrap(), of_key());
    assert_eq!(kms.take_calls(), ["GetPublicKey alpha", "GetPublicKey beta"]);
}

#[tokio::test]
async fn without_kms_nobody_is_believed_and_nothing_is_remembered_of_that() {
    let (kms, files) = (FakeKms::new(&["alpha"]), Files::new());
    let tokens = load(&kms, &format!("kms:alpha,{}", files.key("old.pem")));
    let text = tokens.sign(&of_person()).await.unwrap();
    let fresh = load(&kms, &format!("kms:alpha,file:{}", files.path("old.pem").display()));
    let of_file = load(&kms, &format!("file:{}", files.path("old.pem").display()));
    let of_file = of_file.sign(&of_person()).await.unwrap();
    kms.set_away(true);
    let error = fresh.verify(&text, now()).await.unwrap_err();
    assert!(matches!(error, VerifyError::Key(KeyError::Unavailable { .. })), "{error:?}");
    assert!(fresh.sign(&of_person()).await.is_err());
    assert!(fresh.jwks().await.is_err());
    assert!(fresh.verify(&of_file, now()).await.is_ok(), "that key is here");
    assert!(tokens.verify(&text, now()).await.is_ok(), "its public key is known");
    kms.set_away(false);
    assert!(fresh.verify(&text, now()).await.is_ok());
}

#[tokio::test]
async fn a_key_in_kms_of_another_kind_is_named() {
    let kms = FakeKms::new(&["alpha"]);
    kms.set_curve_of_others();
    let error = load(&kms, "kms:alpha").jwks().await.unwrap_err();
    assert_eq!(error.to_string(), "the KMS key `alpha` is not for ECDSA with P-256");
}

#[test]
fn settings_that_name_no_usable_key_are_refused_with_the_reason() {
    let (files, kms) = (Files::new(), FakeKms::new(&[]));
    let why = |keys: &str| Tokens::load(&boot_at(&kms, ORIGINS, keys)).unwrap_err().to_string();
    assert!(why("").contains("TOKEN_KEYS"));
    for keys in ["x", "kms:", "https://example.com/key", ","] {
        assert!(why(keys).contains("neither `file:<path>` nor `kms:<key id>`"), "{keys}");
    }
    assert!(why("file:/does/not/exist").contains("No such file"));
    assert!(why(&files.write("empty.pem", "")).contains("no P-256 key"));
    let other_kind = new_key().unwrap().replace("PRIVATE KEY", "PUBLIC KEY");
    assert!(why(&files.write("public.pem", &other_kind)).contains("no P-256 key"));
    assert!(why(&format!("{},", files.key("one.pem"))).contains("neither"));
    let wrong_origins = Tokens::load(&boot_at(&kms, "go.example.com", &files.key("two.pem")));
    assert!(wrong_origins.unwrap_err().to_string().contains("ORIGINS"));
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let (files, kms) = (Files::new(), FakeKms::new(&[]));
    let keys = files.key("key.pem");
    for mode in [0o644, 0o640, 0o604, 0o660, 0o601] {
        set_mode(&files.path("key.pem"), mode);
        let error = Tokens::load(&boot_at(&kms, ORIGINS, &keys)).unwrap_err().to_string();
        assert!(error.contains(&format!("mode {mode:03o}")), "{error}");
        assert!(error.contains("chmod 600"), "{error}");
    }
    for mode in [0o600, 0o400] {
        set_mode(&files.path("key.pem"), mode);
        assert!(Tokens::load(&boot_at(&kms, ORIGINS, &keys)).is_ok(), "{mode:o}");
    }
}

#[test]
fn a_key_that_openssl_made_is_read() {
    // `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1UXWvBzEbEUbL4mx\n\
        F9NN5zZNpfrvD8w1Uat/ZEi+vryhRANCAARM12EiV/awsN+50shfmi1oL0VUZeYF\n\
        zCP3il8sPZfBPqn8NViCO3b+XZ34HTVezsGFYa8GDOUFZu6QWPrWKGmF\n\
        -----END PRIVATE KEY-----\n";
    let files = Files::new();
    load(&FakeKms::new(&[]), &files.write("key.pem", pem));
}

#[test]
fn debug_output_hides_the_private_key() {
    let files = Files::new();
    let shown = format!("{:?}", tokens(&files));
    let pem = std::fs::read_to_string(files.path("key.pem")).unwrap();
    assert!(shown.contains("***"), "{shown}");
    let der = pem.lines().nth(1).unwrap();
    assert!(!shown.contains(der), "{shown}");
}

proptest! {
    #[test]
    fn whatever_comes_is_refused_without_a_panic(text in "[A-Za-z0-9_.=\\-]{0,200}|.{0,100}") {
        let _ = jwt::read(&text);
    }
}
