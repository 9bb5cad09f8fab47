//! What tests of several crates share. Never a dependency of what ships.
//!
//! A [`World`] is everything that functions need, in memory; [`event()`] reads the sample events of
//! `events/`, which all tell of that world; an [`Answer`] has been checked for the API's manners
//! when the test gets it.

#![expect(clippy::panic, reason = "what fails here is the test that called it")]

mod answer;
mod click;
mod event;
mod once;
pub mod people;
pub mod probe;
pub mod provider;
pub mod runtime_api;
mod world;

pub use answer::Answer;
pub use click::{by, by_bot, by_somebody, click, full_click};
pub use event::Event;
pub use world::{OTHER_WORKSPACE, SPRING, WORKSPACE, World, link, now};

/// A sample event: `create-link/minimal` is `events/create-link/minimal.json`.
pub fn event(name: &str) -> Event {
    Event::read(name)
}
