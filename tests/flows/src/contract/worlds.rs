//! What must be there for an event to succeed.

use testkit::World;

/// A world with everything that the events of a function name.
pub(super) async fn of(function: &str) -> World {
    let world = match function {
        // The link is still to be made.
        "create-link" => World::new().await,
        _ => World::with_spring().await,
    };
    world.add_people().await;
    world
}
