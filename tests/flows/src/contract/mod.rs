//! What is written in several places is the same in all of them.
//!
//! A failure names the place to mend. `docs/adding-a-function.md` is the list of places.

mod answers;
mod authorisation;
mod dependencies;
mod documents;
mod door;
mod environment;
mod events;
mod examples;
mod given;
mod manifests;
mod names;
mod permissions;
mod problems;
mod sources;
mod template;
mod terraform;
mod watch;
mod workers;
mod worlds;
