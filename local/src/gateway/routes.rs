//! Which function a request is for.

use std::borrow::Cow;

use anyhow::Context;
use http::Method;
use lambda::Function;
use matchit::Router;
use percent_encoding::percent_decode_str;

use crate::contract::Contract;
use crate::registry::Registry;

/// Stands for an encoded slash while a path is routed: it does not part segments, and a text
/// cannot have it by right (it is no character).
const SLASH: &str = "\u{fdd0}";

/// The routes of one gateway.
#[derive(Debug)]
pub(super) struct Routes {
    /// For each method its paths. Literal segments win over templates, as on API Gateway.
    methods: Vec<(Method, Router<Route>)>,
    default: Route,
}

/// A route.
#[derive(Debug)]
pub(super) struct Route {
    /// As API Gateway names it: `GET /{slug}`, or `$default`.
    pub(super) key: String,
    pub(super) function: Function,
    pub(super) secured: bool,
}

/// What stands in the place of each template, decoded.
pub(super) type Params<'a> = Vec<(&'a str, Cow<'a, str>)>;

impl Routes {
    pub(super) fn new(contract: &Contract, functions: &Registry) -> anyhow::Result<Self> {
        let mut methods: Vec<(Method, Router<Route>)> = Vec::new();
        for operation in &contract.operations {
            let key = format!("{} {}", operation.method, operation.path);
            let route = Route {
                function: functions.get(&operation.function)?.clone(),
                secured: operation.secured,
                key: key.clone(),
            };
            let at = methods.iter().position(|(method, _)| *method == operation.method);
            let at = at.unwrap_or_else(|| {
                methods.push((operation.method.clone(), Router::new()));
                methods.len() - 1
            });
            methods[at]
                .1
                .insert(&operation.path, route)
                .with_context(|| format!("routing `{key}`"))?;
        }
        let default = Route {
            key: "$default".to_owned(),
            function: functions.get(&contract.default_function)?.clone(),
            secured: false,
        };
        Ok(Self { methods, default })
    }

    /// The route of a path that went through [`routed`].
    pub(super) fn find<'a>(&'a self, method: &Method, path: &'a str) -> (&'a Route, Params<'a>) {
        let router = self.methods.iter().find(|(own, _)| own == method).map(|(_, router)| router);
        match router.and_then(|router| router.at(path).ok()) {
            Some(found) => {
                let params = found.params.iter().map(|(name, value)| (name, slashes(value)));
                (found.value, params.collect())
            }
            None => (&self.default, Params::new()),
        }
    }
}

/// A path as it is routed: decoded, but for the slashes that are part of a segment.
pub(super) fn routed(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    Cow::Owned(decoded(&path.replace("%2F", SLASH).replace("%2f", SLASH)).into_owned())
}

/// A path as the functions see it. Bytes that are no UTF-8 become replacement characters.
pub(super) fn decoded(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    percent_decode_str(path).decode_utf8_lossy()
}

fn slashes(value: &str) -> Cow<'_, str> {
    if value.contains(SLASH) { Cow::Owned(value.replace(SLASH, "/")) } else { Cow::Borrowed(value) }
}
