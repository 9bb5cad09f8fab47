//! Tests of everything together: whole flows through all functions in one process (`flows`), and
//! that names, routes, events, settings, documents and code agree (`contract`).
//!
//! One crate and one binary, because each test binary links the AWS SDKs once more.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod functions;
#[cfg(test)]
mod given;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod service;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod template;
#[cfg(test)]
mod walk;
#[cfg(test)]
mod workers;
