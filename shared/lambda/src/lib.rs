//! The one way every function starts, answers and fails.
//!
//! Read [`serve`] first: it is what each `main` calls. [`Function`] is the same function without
//! the Lambda runtime, for the local platform and for tests.

mod after;
pub mod auth;
mod aws;
mod batch;
mod boot;
mod chain;
mod clock;
mod door;
mod env;
mod extension;
pub mod form;
mod function;
mod http;
pub mod input;
mod logs;
mod metrics;
mod oauth;
mod problem;
mod request;
mod schedule;
mod serve;
pub mod viewer;

pub use after::{After, ClickSend};
pub use aws::config as aws_config;
pub use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
pub use batch::{Failed, Message};
pub use boot::Boot;
pub use chain::Chain;
pub use clock::{Clock, Random};
pub use env::{Env, EnvError};
pub use function::{Function, HttpEvent, Invocation, InvocationError};
pub use http::{html, json, no_content};
pub use lambda_http::http::header::InvalidHeaderValue;
pub use lambda_http::http::{
    Error as HttpError, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header,
};
pub use lambda_http::{Body, Context, Request, RequestExt, Response};
pub use logs::log_filter;
pub use metrics::Metrics;
pub use oauth::OAuthError;
pub use problem::{Fault, Kind, Problem};
pub use schedule::Scheduled;
pub use serve::{Error, serve_authorizer, serve_http, serve_http_then, serve_schedule, serve_sqs};
