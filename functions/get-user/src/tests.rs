//! The handler from its events, against the embedded stores.

use lambda::{Function, Kind};
use serde_json::json;
use testkit::people::{ADA, ADA_EMAIL, ALAN};
use testkit::{OTHER_WORKSPACE, WORKSPACE, World, event, people};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("get-user"), load, handle).await.unwrap();
    (world, function)
}

#[tokio::test]
async fn a_person_sees_themselves_and_their_workspaces() {
    let (world, function) = start().await;
    let answer = event("get-user/minimal").send(&function).await;
    assert_eq!(answer.status, 200);
    let expected = json!({
        "id": ADA, "email": ADA_EMAIL, "email_verified": false, "name": "Ada Example",
        "created_at": people::ada().created_at().to_string(),
        "workspaces": [{"id": WORKSPACE, "name": "Example Shop", "role": "owner"}]
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(world.probe.take_operations(), ["GetItem", "Query", "BatchGetItem"]);
}

#[tokio::test]
async fn all_workspaces_are_there_whatever_the_token_is_for() {
    let (world, function) = start().await;
    let accounts = world.accounts();
    let (invitation, alan) = (people::invitation_of_alan(), people::alan());
    let member = invitation.accepted_by(alan.id, testkit::now());
    accounts.accept_invitation(&invitation, &member, &store::Journal::none()).await.unwrap();
    let answer = event("get-user/minimal").of_principal(ALAN).send(&function).await;
    let expected = json!([
        {"id": OTHER_WORKSPACE, "name": "Another Shop", "role": "owner"},
        {"id": WORKSPACE, "name": "Example Shop", "role": "member"}
    ]);
    assert_eq!(answer.json()["workspaces"], expected);
    let answer = event("get-user/without-workspace").send(&function).await;
    assert_eq!((answer.status, answer.json()["id"].as_str()), (200, Some(ADA)));
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events = [event("get-user/not-authorized"), event("get-user/missing-scope")];
    world.assert_credentials_come_first(events, "account", &function).await;
}

#[tokio::test]
async fn whoever_is_gone_has_no_credentials() {
    let (_world, function) = start().await;
    let nobody = event("get-user/minimal").of_principal("usr_01K9Z0000000000000000000TZ");
    nobody.send(&function).await.assert_problem(Kind::Unauthorized);
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let operations = ["GetItem", "Query", "BatchGetItem"];
    world.assert_unavailable_without(&operations, &event("get-user/minimal"), &function).await;
}
