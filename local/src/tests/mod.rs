//! Tests of the platform: each part with functions that only write down what they get, and the
//! whole with the real ones.

mod data;
mod demo;
mod events;
mod gateway;
mod keys;
mod platform;
mod replay;
mod routes;
mod sources;
mod support;
mod together;
