//! Tokens that are almost right.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

/// What stands before a point of P-256 in a public key (RFC 5480).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Makes tokens out of a good one.
pub(super) struct Forge {
    header: Value,
    claims: Value,
    signature: String,
    /// The platform's own key.
    own: EcdsaKeyPair,
    /// Somebody else's.
    foreign: EcdsaKeyPair,
    now: i64,
}

impl Forge {
    /// A forge with a good token, the platform's data directory and its time.
    pub(super) fn new(good: &str, dir: &Path, now: i64) -> Self {
        let parts: Vec<_> = good.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { panic!("a token has 3 parts") };
        Self {
            header: decoded(header),
            claims: decoded(claims),
            signature: (*signature).to_owned(),
            own: own_key(dir),
            foreign: foreign_key(),
            now,
        }
    }

    /// A token that is as good as the platform's: with other claims.
    pub(super) fn with(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims.clone();
        change(&mut claims);
        signed(&self.own, &self.header, &claims)
    }

    /// Tokens that nobody must believe, whatever they ask for: each with its name.
    pub(super) fn worthless(&self) -> Vec<(&'static str, String)> {
        let Self { header, claims, own, foreign, now, .. } = self;
        let tampered = |change: fn(&mut Value)| {
            let mut claims = claims.clone();
            change(&mut claims);
            format!("{}.{}", unsigned(header, &claims), self.signature)
        };
        let other_header = |change: fn(&mut Value)| {
            let mut header = header.clone();
            change(&mut header);
            header
        };
        let own_kid = other_header(|header| header["kid"] = json!("kid-of-nobody"));
        let mut tokens = vec![
            (
                "expired",
                self.with(|claims| {
                    claims["iat"] = json!(now - 1000);
                    claims["exp"] = json!(now - 61);
                }),
            ),
            (
                "without an end",
                self.with(|claims| {
                    claims.as_object_mut().expect("claims are an object").remove("exp");
                }),
            ),
            (
                "issued in the future",
                self.with(|claims| {
                    claims["iat"] = json!(now + 120);
                    claims["exp"] = json!(now + 1000);
                }),
            ),
            ("not valid yet", self.with(|claims| claims["nbf"] = json!(now + 120))),
            ("of a wrong signature", signed(foreign, header, claims)),
            ("of a key that nobody knows", signed(foreign, &own_kid, claims)),
            ("of our key under another name", signed(own, &own_kid, claims)),
            ("tampered with", tampered(|claims| claims["scope"] = json!("admin account"))),
            ("without a signature", format!("{}.", unsigned(header, claims))),
            (
                "for another audience",
                self.with(|claims| claims["aud"] = json!("https://elsewhere.example/api/v1")),
            ),
            (
                "for no audience",
                self.with(|claims| {
                    claims.as_object_mut().expect("claims are an object").remove("aud");
                }),
            ),
            (
                "of another issuer",
                self.with(|claims| claims["iss"] = json!("https://elsewhere.example")),
            ),
            (
                "of a person whom nobody knows",
                self.with(|claims| claims["sub"] = json!("usr_01K9Z0000000000000000000ZZ")),
            ),
            (
                "of a session that nobody knows",
                self.with(|claims| claims["sid"] = json!("ses_01K9Z0000000000000000000ZZ")),
            ),
            (
                "without a session",
                self.with(|claims| {
                    claims.as_object_mut().expect("claims are an object").remove("sid");
                }),
            ),
            (
                "for a workspace that nobody knows",
                self.with(|claims| claims["ws"] = json!("wrk_01K9Z0000000000000000000ZZ")),
            ),
        ];
        for (name, alg) in [("alg none", "none"), ("alg None", "None"), ("alg NONE", "NONE")] {
            let mut none = header.clone();
            none["alg"] = json!(alg);
            tokens.push((name, format!("{}.", unsigned(&none, claims))));
            tokens.push((name, format!("{}.{}", unsigned(&none, claims), self.signature)));
        }
        let point = own.public_key().as_ref();
        let spki = [SPKI.as_slice(), point].concat();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n",
            &STANDARD.encode(&spki)[..64],
            &STANDARD.encode(&spki)[64..]
        );
        let mut hs256 = header.clone();
        hs256["alg"] = json!("HS256");
        for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), &spki, point, b""] {
            let text = unsigned(&hs256, claims);
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()));
            tokens.push(("HS256 with the public key", format!("{text}.{tag}")));
        }
        // A signature with our key would be good; only the header lies.
        for (name, alg) in [("ES384", "ES384"), ("RS256", "RS256"), ("es256", "es256")] {
            let mut other = header.clone();
            other["alg"] = json!(alg);
            tokens.push((name, signed(own, &other, claims)));
        }
        tokens
    }
}

fn own_key(dir: &Path) -> EcdsaKeyPair {
    let folder = dir.join("token-keys");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|own| own == "pem"))
        .collect();
    files.sort();
    let pem = fs::read_to_string(files.last().expect("there is a key")).expect("it can be read");
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(text).expect("a PEM file is in base 64");
    key_pair(&der)
}

fn foreign_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
    key_pair(der.expect("a key is made").as_ref())
}

fn key_pair(der: &[u8]) -> EcdsaKeyPair {
    let random = SystemRandom::new();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random).expect("this is a key")
}

fn decoded(part: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("a token is in base64url");
    serde_json::from_slice(&bytes).expect("a token holds JSON")
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn signed(key: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let text = unsigned(header, claims);
    let signature = key.sign(&SystemRandom::new(), text.as_bytes()).expect("a key signs");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
