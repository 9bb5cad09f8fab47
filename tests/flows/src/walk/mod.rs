//! Who gets in: every operation of the contract with every kind of credentials that must not open
//! it, through the gateway and the authorizer of the platform, as a caller would send them.
//!
//! [`house`] is the platform with two workspaces and people of each role; [`forge`] makes tokens that
//! are almost right, with the platform's own key or with another; [`tests`] walks.

mod client;
mod forge;
mod house;
mod tests;
