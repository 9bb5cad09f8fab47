//! What people and programs do with the service, from the first request to the last count.

mod audit;
mod cost;
mod credentials;
mod domains;
mod life;
mod limits;
mod once;
mod privacy;
mod purging;
mod stats;
mod visibility;
