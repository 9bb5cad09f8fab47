//! The walk.

use domain::{Role, Scope};
use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::Answer;

use super::client::Request;
use super::forge::Forge;
use super::house::{House, Place, request};
use crate::openapi::{OpenApi, Operation};
use crate::repository::{assert_none, text};

/// The operations that need credentials: those that take something away come last, so that the
/// others still find it.
fn secured() -> Vec<&'static Operation> {
    let all = OpenApi::get().operations.iter();
    let mut secured: Vec<_> = all.filter(|operation| operation.secured).collect();
    assert!(20 < secured.len(), "a walk of {} operations is none", secured.len());
    secured.sort_by_key(|operation| operation.method == "DELETE");
    secured
}

/// What an operation asks for. One that does not say it fails every walk.
fn scope_of(operation: &Operation) -> Scope {
    let named = operation.scope.as_deref();
    let named =
        named.unwrap_or_else(|| panic!("openapi.yaml: `{}` has no `x-scope`", operation.id));
    Scope::parse(named).unwrap_or_else(|error| panic!("openapi.yaml: `{}`: {error}", operation.id))
}

/// What is wrong with an answer that should be a problem of this kind.
fn problem_faults(operation: &Operation, answer: &Answer, status: u16, kind: &str) -> Vec<String> {
    let mut faults = OpenApi::get().answer_faults(operation, answer);
    if answer.status != status {
        faults.push(format!("{} instead of {status}: {}", answer.status, answer.text));
        return faults;
    }
    if !answer.header("content-type").starts_with("application/problem+json") {
        faults.push(format!("it is no problem: {answer:?}"));
    } else if answer.json()["type"] != format!("urn:signpost:problem:{kind}") {
        faults.push(format!("it is no `{kind}`: {}", answer.text));
    }
    let challenge = answer.header("www-authenticate");
    if (status == 401) != challenge.starts_with("Bearer ") {
        faults.push(format!("`WWW-Authenticate` is `{challenge}`"));
    }
    faults
}

/// What an answer tells of a place that it must not tell of.
fn leaks(answer: &Answer, place: &Place) -> Vec<String> {
    let said = format!("{} {:?}", answer.text, answer.headers);
    let told = place.private.iter().filter(|private| said.contains(private.as_str()));
    told.map(|private| format!("it tells of `{private}`: {}", answer.text)).collect()
}

/// Names the place of each fault.
fn of<'a>(
    operation: &'a Operation,
    who: &'a str,
    faults: Vec<String>,
) -> impl Iterator<Item = String> {
    let place = format!("`{}` {who}", operation.id);
    faults.into_iter().map(move |fault| format!("{place}: {fault}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_none_open_nothing() {
    let house = House::open().await;
    let now = house.clock.now().as_second();
    let forge = Forge::new(&house.ours.token, &house.dir(), now);

    // What was good once.
    let revoked = house.sign_in("ours@example.com").await;
    house.form("/oauth/revoke", &[("token", &revoked)]).await;
    let ended = house.session("ours@example.com").await;
    house.form("/oauth/revoke", &[("token", text(&ended["refresh_token"]))]).await;
    let new_key = json!({ "name": "gone", "scopes": ["admin"] });
    let gone = house.make("keys", &house.ours.token, &new_key).await;
    let grant = [
        ("grant_type", "client_credentials"),
        ("client_id", text(&gone["id"])),
        ("client_secret", text(&gone["key"])),
    ];
    let token_of_gone = house.form("/oauth/token", &grant).await;
    let path = format!("/api/v1/keys/{}", text(&gone["id"]));
    let deleted = house.ask(&Request::new("DELETE", path), &house.ours.token).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    let soon = house.clock.now() + SignedDuration::from_secs(1);
    let new_key = json!({ "name": "short", "scopes": ["admin"], "expires_at": soon.to_string() });
    let short = house.make("keys", &house.ours.token, &new_key).await;
    house.clock.advance(SignedDuration::from_secs(2));
    // Somebody of another workspace, who says that they are of ours; and the other way round.
    let theirs = Forge::new(&house.theirs.token, &house.dir(), now);
    let intruder = theirs.with(|claims| claims["ws"] = json!(house.ours.workspace));

    let mut mistyped = house.admin_key.clone();
    mistyped.pop();
    mistyped.push('!');
    let bearer = |token: &str| format!("Bearer {token}");
    let mut worthless = vec![
        ("garbage", bearer("garbage")),
        ("dots", bearer("a.b.c")),
        ("only dots", bearer("..")),
        ("nothing behind the scheme", "Bearer".to_owned()),
        ("another scheme", format!("Basic {}", "b3duZXI6cGFzc3dvcmQ=")),
        ("no scheme", house.admin_key.clone()),
        ("two tokens", format!("Bearer {0} {0}", house.ours.token)),
        ("a mistyped key", bearer(&mistyped)),
        ("a refresh token", bearer(text(&ended["refresh_token"]))),
        ("a revoked token", bearer(&revoked)),
        ("a token of a session that was ended", bearer(text(&ended["access_token"]))),
        ("a deleted key", bearer(text(&gone["key"]))),
        ("a token of a deleted key", bearer(text(&token_of_gone["access_token"]))),
        ("an expired key", bearer(text(&short["key"]))),
        ("a token for a workspace that they are not in", bearer(&intruder)),
        ("a very long token", bearer(&"x".repeat(6000))),
    ];
    let forged = forge.worthless();
    worthless.extend(forged.iter().map(|(name, token)| (*name, bearer(token))));

    let mut faults = Vec::new();
    for operation in secured() {
        let asked = request(operation, &house.ours);
        let answer = house.ask_as(&asked, None).await;
        // The one answer that the gateway makes by itself.
        if answer.status != 401 || answer.json() != json!({ "message": "Unauthorized" }) {
            faults.push(format!("`{}` without credentials: {answer:?}", operation.id));
        }
        for (name, authorization) in &worthless {
            let answer = house.ask_as(&asked, Some(authorization)).await;
            let mut found = problem_faults(operation, &answer, 401, "unauthorized");
            found.extend(leaks(&answer, &house.ours));
            faults.extend(of(operation, name, found));
        }
    }
    assert_none(&faults);

    // The forge itself is good: what it leaves as it is opens the door.
    let answer = house.ask(&Request::new("GET", "/api/v1/users/me"), &forge.with(|_| {})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let skewed = forge.with(|claims| claims["exp"] = json!(now - 50));
    let answer = house.ask(&Request::new("GET", "/api/v1/users/me"), &skewed).await;
    assert_eq!(answer.status, 200, "clocks may differ by a minute: {}", answer.text);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_or_a_role_that_is_too_small_is_said_so() {
    let house = House::open().await;
    let now = house.clock.now().as_second();
    let all: Vec<_> = Scope::ALL.into_iter().map(Scope::as_str).collect();
    let mut faults = Vec::new();
    for operation in secured() {
        let scope = scope_of(operation);
        let asked = request(operation, &house.ours);
        // An owner, with a token for everything else.
        let others = Scope::ALL
            .into_iter()
            .filter(|own| *own != scope && (*own != Scope::Admin || scope == Scope::Account));
        let others: Vec<_> = others.map(Scope::as_str).collect();
        let owner = Forge::new(&house.ours.token, &house.dir(), now);
        let few = owner.with(|claims| claims["scope"] = json!(others.join(" ")));
        let mut refused = vec![("with too small a scope", few)];
        // Those of each role, with tokens that claim to be for everything.
        for (role, token) in [(Role::Viewer, &house.viewer), (Role::Member, &house.member)] {
            let may = role.scopes().contains(&scope);
            if !may {
                let forge = Forge::new(token, &house.dir(), now);
                let bold = forge.with(|claims| claims["scope"] = json!(all.join(" ")));
                refused.push(("with too small a role", bold));
            }
        }
        // A key is no person.
        if scope == Scope::Account {
            refused.push(("with an API key", house.admin_key.clone()));
        }
        for (who, token) in refused {
            let answer = house.ask(&asked, &token).await;
            let mut found = problem_faults(operation, &answer, 403, "forbidden");
            if !answer.text.contains(&format!("`{scope}`")) {
                found.push(format!("it does not name `{scope}`: {}", answer.text));
            }
            found.extend(leaks(&answer, &house.ours));
            faults.extend(of(operation, who, found));
        }
    }
    // And whoever may, can: last, since some of it cannot be undone.
    for operation in secured() {
        let answer = house.ask(&request(operation, &house.ours), &house.ours.token).await;
        let mut found = OpenApi::get().answer_faults(operation, &answer);
        if matches!(answer.status, 401 | 403) || 500 <= answer.status {
            found.push(format!("{}: {}", answer.status, answer.text));
        }
        faults.extend(of(operation, "with good credentials", found));
    }
    assert_none(&faults);
    house.close().await;
}

/// Something of the same kind that nobody has: the same id, but for its end.
fn nowhere(id: &str) -> String {
    let end = if id.ends_with("ZZZZ") { "YYYY" } else { "ZZZZ" };
    format!("{}{end}", &id[..id.len() - 4])
}

/// An answer without what differs by right: the ids that were asked for, and that of the request.
fn masked(answer: &Answer, ids: &[&str]) -> (u16, Vec<String>, String) {
    let mut body = answer.text.clone();
    if let Ok(mut problem) = serde_json::from_str::<Value>(&body) {
        problem["instance"] = Value::Null;
        body = problem.to_string();
    }
    for id in ids {
        body = body.replace(id, "<id>");
    }
    let passing = ["date", "x-request-id", "apigw-requestid", "content-length"];
    let names = answer.headers.iter().filter(|(name, _)| !passing.contains(&name.as_str()));
    let headers = names.map(|(name, value)| format!("{name}: {value}")).collect();
    (answer.status, headers, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_yours_is_not_there() {
    let house = House::open().await;
    let mut faults = Vec::new();
    for operation in secured() {
        let ids: Vec<_> = ["{id}", "{user_id}"]
            .into_iter()
            .filter(|name| operation.path.contains(name))
            .collect();
        if ids.is_empty() {
            // Lists and the like: whatever they answer, it is not of the other workspace.
            let answer = house.ask(&request(operation, &house.ours), &house.ours.token).await;
            faults.extend(of(operation, "of ours", leaks(&answer, &house.theirs)));
            continue;
        }
        let Place { workspace, member, .. } = house.theirs.clone();
        let mut places = vec![(
            house.theirs.clone(),
            Place {
                workspace: nowhere(&workspace),
                member: nowhere(&member),
                link: nowhere(&house.theirs.link),
                invitation: nowhere(&house.theirs.invitation),
                key: nowhere(&house.theirs.key),
                ..house.theirs.clone()
            },
        )];
        if ids.contains(&"{user_id}") {
            // Our workspace, and somebody who is not in it.
            let ours = Place { workspace: house.ours.workspace.clone(), ..house.theirs.clone() };
            places.push((ours.clone(), Place { member: nowhere(&member), ..ours }));
        }
        for (not_yours, not_there) in places {
            let asked = [request(operation, &not_yours), request(operation, &not_there)];
            // The gateway remembers who is asking from here on.
            house.ask(&asked[1], &house.ours.token).await;
            let [first, second] = &asked;
            let (answer, calls) = house.watch(first, &house.ours.token).await;
            let (other, other_calls) = house.watch(second, &house.ours.token).await;
            let mut found = problem_faults(operation, &answer, 404, "not-found");
            let names = |place: &Place| {
                let Place { workspace, member, link, invitation, key, .. } = place.clone();
                [workspace, member, link, invitation, key]
            };
            let [own, none] = [names(&not_yours), names(&not_there)];
            let ids: Vec<_> = own.iter().chain(&none).map(String::as_str).collect();
            if masked(&answer, &ids) != masked(&other, &ids) {
                found.push(format!("not yours: {answer:#?}\nnot there: {other:#?}"));
            }
            if calls != other_calls {
                found.push(format!("not yours: {calls:?}\nnot there: {other_calls:?}"));
            }
            let theirs =
                Place { private: not_private(&house.theirs, &ids), ..house.theirs.clone() };
            found.extend(leaks(&answer, &theirs));
            faults.extend(of(operation, "of theirs", found));
        }
    }
    assert_none(&faults);
    house.close().await;
}

/// What is private of a place, without what the caller has named.
fn not_private(place: &Place, named: &[&str]) -> Vec<String> {
    let private = place.private.iter().filter(|text| !named.contains(&text.as_str()));
    private.cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_yours_is_no_token() {
    let house = House::open().await;
    let invited = json!({ "email": "somebody.else@example.com" });
    let invited = house.make("invitations", &house.ours.token, &invited).await;
    let accept = Request::new("POST", "/api/v1/invitations/accept");
    let unknown = {
        // A token with a good checksum, of an invitation that was taken back.
        let gone = json!({ "email": "theirs@example.com" });
        let gone = house.make("invitations", &house.ours.token, &gone).await;
        let path = format!("/api/v1/invitations/{}", text(&gone["id"]));
        let deleted = house.ask(&Request::new("DELETE", path), &house.ours.token).await;
        assert_eq!(deleted.status, 204);
        gone
    };
    let [first, second] =
        [&invited, &unknown].map(|it| accept.clone().json(&json!({ "token": it["token"] })));
    let answer = house.ask(&first, &house.theirs.token).await;
    let other = house.ask(&second, &house.theirs.token).await;
    assert_eq!(answer.status, 404, "{}", answer.text);
    assert_eq!(masked(&answer, &[]), masked(&other, &[]));

    // Whether somebody has an account is nobody's business either.
    let grant = |email: &str| {
        let fields = [
            ("grant_type", "password"),
            ("client_id", "signpost"),
            ("username", email),
            ("password", "a wrong password of words"),
        ];
        Request::new("POST", "/oauth/token").form(&fields)
    };
    let answer = house.ask(&grant("ours@example.com"), "").await;
    let other = house.ask(&grant("nobody.at.all@example.com"), "").await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(masked(&answer, &[]), masked(&other, &[]));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_public_asks_nobody_who_they_are() {
    let house = House::open().await;
    let mut faults = Vec::new();
    for operation in OpenApi::get().operations.iter().filter(|operation| !operation.secured) {
        let asked = request(operation, &house.ours);
        let credentials = [None, Some("Bearer garbage"), Some("Bearer eyJhbGciOiJub25lIn0.e30.")];
        for authorization in credentials {
            let answer = house.ask_as(&asked, authorization).await;
            let mut found = OpenApi::get().answer_faults(operation, &answer);
            // A client may have credentials of its own there.
            let is_client = operation.function == "issue-token";
            if matches!(answer.status, 401 | 403) && !is_client || 500 <= answer.status {
                found.push(format!("{}: {}", answer.status, answer.text));
            }
            faults.extend(of(operation, authorization.unwrap_or("by nobody"), found));
        }
    }
    assert_none(&faults);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_demoted_or_removed_has_a_minute() {
    let house = House::open().await;
    let links = Request::new("GET", "/api/v1/links");
    let link = json!({ "url": "https://example.com/" });
    let new_link = Request::new("POST", "/api/v1/links").json(&link);
    assert_eq!(house.ask(&new_link, &house.member).await.status, 201);
    let path = format!("/api/v1/workspaces/{}/members/{}", house.ours.workspace, house.ours.member);
    let demote = Request::new("PATCH", &path).json(&json!({ "role": "viewer" }));
    let demoted = house.ask(&demote, &house.ours.token).await;
    assert_eq!(demoted.status, 200, "{}", demoted.text);
    // For as long as the gateway keeps what the authorizer said.
    house.clock.advance(SignedDuration::from_secs(61));
    let answer = house.ask(&new_link, &house.member).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert_eq!(house.ask(&links, &house.member).await.status, 200);

    let removed = house.ask(&Request::new("DELETE", &path), &house.ours.token).await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    house.clock.advance(SignedDuration::from_secs(61));
    let answer = house.ask(&links, &house.member).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    house.close().await;
}
