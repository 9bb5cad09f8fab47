//! What may be chosen, and that only the right password is right.

use std::time::Instant;

use argon2::{PasswordHasher, PasswordVerifier};
use futures_util::future::join_all;

use super::*;

fn email() -> Email {
    Email::parse("ada.lovelace@example.com").unwrap()
}

fn choose(text: &str) -> Result<NewPassword, ChoiceError> {
    NewPassword::parse(text, &email())
}

async fn hashed(hasher: &Hasher, text: &str) -> PasswordHash {
    hasher.hash(choose(text).unwrap(), 7).await.unwrap()
}

#[test]
fn a_password_is_twelve_to_256_characters_of_any_kind() {
    for good in ["x1!x1!x1!x1!", &"長い".repeat(6), &"é".repeat(256), "            a"] {
        assert!(choose(good).is_ok(), "{good}");
    }
    assert_eq!(choose(&"é".repeat(11)), Err(ChoiceError::TooShort));
    assert_eq!(choose(&"e\u{301}".repeat(11)), Err(ChoiceError::TooShort), "eleven letters");
    assert_eq!(choose(&"é".repeat(257)), Err(ChoiceError::TooLong));
    assert_eq!(choose(""), Err(ChoiceError::TooShort));
}

#[test]
fn common_passwords_and_the_address_are_refused_in_every_spelling() {
    for common in ["123qweasdzxc", "QwertyQwerty", "ｑｗｅｒｔｙｑｗｅｒｔｙ"] {
        assert_eq!(choose(common), Err(ChoiceError::Common), "{common}");
    }
    for address in
        ["ada.lovelace@example.com", "Ada.Lovelace@Example.com", " ada.lovelace@example.com "]
    {
        assert_eq!(choose(address), Err(ChoiceError::IsEmail), "{address}");
    }
}

#[tokio::test]
async fn only_the_right_password_is_right_however_it_is_typed() {
    let hasher = Hasher::new();
    let stored = hashed(&hasher, "Käse\u{a0}und Brötchen").await;
    assert!(stored.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    // Another spelling of the same letters, and a space of another width.
    for right in ["Käse\u{a0}und Brötchen", "Ka\u{308}se und Bro\u{308}tchen"] {
        assert!(hasher.verify(right, Some(stored.clone())).await.unwrap(), "{right}");
    }
    for wrong in ["", "käse und brötchen", "Käse und Brötchen ", "Käse und Brötche"] {
        assert!(!hasher.verify(wrong, Some(stored.clone())).await.unwrap(), "{wrong}");
    }
}

#[tokio::test]
async fn the_same_password_is_stored_differently_with_another_salt() {
    let hasher = Hasher::new();
    let [one, two] = [1, 2].map(|salt| hasher.hash(choose("x1!x1!x1!x1!").unwrap(), salt));
    assert_ne!(one.await.unwrap(), two.await.unwrap());
}

#[tokio::test]
async fn nobody_has_nobodys_password_and_it_takes_the_same_work() {
    let hasher = Hasher::new();
    assert!(!hasher.verify("x1!x1!x1!x1!", None).await.unwrap());
    let parameters = |hash: &str| hash.rsplitn(3, '$').last().unwrap().to_owned();
    let stored = hashed(&hasher, "x1!x1!x1!x1!").await;
    assert_eq!(parameters(NOBODYS), parameters(stored.as_str()));
    let nobodys = phc::PasswordHash::new(NOBODYS).unwrap();
    let stored = phc::PasswordHash::new(stored.as_str()).unwrap();
    let lengths = |hash: &phc::PasswordHash| {
        (hash.salt.as_ref().map(|salt| salt.len()), hash.hash.as_ref().map(|hash| hash.len()))
    };
    assert_eq!(lengths(&nobodys), lengths(&stored));
}

#[tokio::test]
async fn the_longest_password_is_known_however_it_is_typed_and_a_longer_one_is_not_looked_at() {
    let hasher = Hasher::new();
    // One letter, or one with three marks.
    let (composed, typed) = ("\u{1f82}".repeat(256), "\u{3b1}\u{313}\u{300}\u{345}".repeat(256));
    let stored = hashed(&hasher, &composed).await;
    assert!(hasher.verify(&typed, Some(stored.clone())).await.unwrap());
    // What nothing looks at is no hash either.
    let huge = "\u{fdfa}".repeat(80_000);
    for stored in [stored, PasswordHash::stored("x")] {
        assert!(!hasher.verify(&huge, Some(stored)).await.unwrap());
    }
}

#[tokio::test]
async fn what_is_no_hash_is_an_error_and_not_a_wrong_password() {
    let hasher = Hasher::new();
    for stored in ["", "x", "$argon2id$v=19$m=19456,t=2,p=1$"] {
        let outcome = hasher.verify("x1!x1!x1!x1!", Some(PasswordHash::stored(stored))).await;
        assert!(outcome.is_err() || outcome.is_ok_and(|right| !right), "{stored}");
    }
    let outcome = hasher.verify("x", Some(PasswordHash::stored("$scrypt$x"))).await;
    assert!(outcome.is_err());
}

#[tokio::test]
async fn a_worker_is_free_while_passwords_are_hashed() {
    let hasher = Hasher::new();
    let stored = hashed(&hasher, "x1!x1!x1!x1!").await;
    let guesses = (0..8).map(|_| hasher.verify("wrong", Some(stored.clone())));
    let begin = Instant::now();
    let ticking = async {
        // On the one worker of this test: it would not get a turn if the hashes were made there.
        let mut ticks = 0;
        while ticks < 100 {
            tokio::task::yield_now().await;
            ticks += 1;
        }
        begin.elapsed()
    };
    let (answers, ticked) = tokio::join!(join_all(guesses), ticking);
    assert!(answers.into_iter().all(|answer| !answer.unwrap()));
    assert!(ticked < begin.elapsed() / 2, "{ticked:?} of {:?}", begin.elapsed());
}

#[tokio::test]
async fn all_hashers_of_a_process_share_their_turns_and_what_they_work_in() {
    let cores = std::thread::available_parallelism().unwrap().get();
    let hashers: Vec<_> = (0..4 * cores).map(|_| Hasher::new()).collect();
    let hashes = hashers.iter().map(|hasher| hashed(hasher, "x1!x1!x1!x1!"));
    assert_eq!(join_all(hashes).await.len(), 4 * cores);
    assert!(hashers.iter().all(|it| Arc::ptr_eq(&it.turns, &hashers[0].turns)));
    // With all turns in hand nobody else of this process, such as another test, has any of it out.
    let turns = u32::try_from(cores).unwrap();
    let _nobody_works = hashers[0].turns.acquire_many(turns).await.unwrap();
    let kept = hashers[0].memory.lock().unwrap().len();
    assert!((1..=cores).contains(&kept), "{kept}");
}

#[tokio::test]
async fn hashes_are_those_of_everybody_else_whatever_they_cost() {
    let hasher = Hasher::new();
    let stored = hashed(&hasher, "x1!x1!x1!x1!").await;
    let theirs = Argon2::from(params());
    let stored = phc::PasswordHash::new(stored.as_str()).unwrap();
    assert!(theirs.verify_password(b"x1!x1!x1!x1!", &stored).is_ok());
    // In one piece of memory after the other: larger, smaller, with two lanes.
    for (memory, lanes) in [(64, 1), (30_000, 1), (64, 2), (19_456, 1)] {
        let theirs = Argon2::from(Params::new(memory, 1, lanes, Some(24)).unwrap());
        let hash: phc::PasswordHash =
            theirs.hash_password_with_salt(b"x1!x1!x1!x1!", b"a salt of theirs").unwrap();
        let stored = PasswordHash::stored(hash.to_string());
        assert!(hasher.verify("x1!x1!x1!x1!", Some(stored.clone())).await.unwrap(), "{hash}");
        assert!(!hasher.verify("x1!x1!x1!x1?", Some(stored)).await.unwrap(), "{hash}");
    }
}

#[test]
fn debug_output_hides_the_password() {
    assert_eq!(format!("{:?}", choose("x1!x1!x1!x1!").unwrap()), "NewPassword(***)");
}
