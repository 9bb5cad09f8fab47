//! All functions, by name: the one place that knows every one of them.

use std::collections::HashMap;
use std::fmt;

use anyhow::{Context, bail};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join_all};
use lambda::{Boot, Function};

use crate::contract::Contract;

/// The authorizer that stands before all secured routes.
pub(crate) const AUTHORIZER: &str = "authorize";

/// Functions that have been loaded.
#[derive(Debug, Clone)]
pub(crate) struct Registry(HashMap<&'static str, Function>);

type Loading<E> = BoxFuture<'static, Result<Function, E>>;

impl Registry {
    /// Loads all functions; `boot` says with what.
    pub(crate) async fn load(boot: impl Fn(&'static str) -> Boot) -> anyhow::Result<Self> {
        /// An HTTP function, whose crate is named as it is.
        macro_rules! http {
            ($name:literal, $function:ident) => {
                named($name, |name| {
                    Function::http(boot(name), $function::load, $function::handle).boxed()
                })
            };
        }
        let functions = [
            named(AUTHORIZER, |name| {
                Function::authorizer(boot(name), authorize::load, authorize::handle).boxed()
            }),
            http!("accept-invitation", accept_invitation),
            http!("create-invitation", create_invitation),
            http!("create-key", create_key),
            http!("create-link", create_link),
            http!("create-workspace", create_workspace),
            http!("delete-invitation", delete_invitation),
            http!("delete-key", delete_key),
            http!("delete-link", delete_link),
            http!("delete-member", delete_member),
            http!("delete-workspace", delete_workspace),
            http!("finish-sign-in", finish_sign_in),
            http!("get-jwks", get_jwks),
            http!("get-link", get_link),
            http!("get-openid-configuration", get_openid_configuration),
            http!("get-user", get_user),
            http!("get-workspace", get_workspace),
            http!("health", health),
            http!("issue-token", issue_token),
            http!("link-stats", link_stats),
            http!("list-clicks", list_clicks),
            http!("list-invitations", list_invitations),
            http!("list-audit-events", list_audit_events),
            http!("list-keys", list_keys),
            http!("list-links", list_links),
            http!("list-members", list_members),
            http!("list-workspaces", list_workspaces),
            http!("not-found", not_found),
            http!("orphan-stats", orphan_stats),
            named("purge-clicks", |name| {
                Function::sqs(boot(name), purge_clicks::load, purge_clicks::handle).boxed()
            }),
            named("record-clicks", |name| {
                Function::sqs(boot(name), record_clicks::load, record_clicks::handle).boxed()
            }),
            named("redirect", |name| {
                let then = redirect::send_click;
                Function::http_then(boot(name), redirect::load, redirect::handle, then).boxed()
            }),
            http!("register-user", register_user),
            http!("revoke-token", revoke_token),
            named("compact-clicks", |name| {
                Function::schedule(boot(name), compact_clicks::load, compact_clicks::handle).boxed()
            }),
            named("rotate-salts", |name| {
                Function::schedule(boot(name), rotate_salts::load, rotate_salts::handle).boxed()
            }),
            http!("start-sign-in", start_sign_in),
            http!("update-link", update_link),
            http!("update-member", update_member),
            http!("update-user", update_user),
            http!("update-workspace", update_workspace),
            named("verify-ledger", |name| {
                Function::schedule(boot(name), verify_ledger::load, verify_ledger::handle).boxed()
            }),
            http!("workspace-stats", workspace_stats),
        ];
        Ok(Self::of(try_join_all(functions).await?))
    }

    /// These functions.
    pub(crate) fn of(functions: impl IntoIterator<Item = Function>) -> Self {
        Self(functions.into_iter().map(|function| (function.name(), function)).collect())
    }

    /// The function of this name.
    pub(crate) fn get(&self, name: &str) -> anyhow::Result<&Function> {
        self.0.get(name).with_context(|| format!("there is no function `{name}`"))
    }

    /// Whether everything that the contract names is there.
    pub(crate) fn check(&self, contract: &Contract) -> anyhow::Result<()> {
        for (name, file) in contract.functions().chain([(AUTHORIZER, "the gateway")]) {
            if !self.0.contains_key(name) {
                bail!(
                    "{file} names the function `{name}`, which `local/src/registry.rs` does not list"
                );
            }
        }
        Ok(())
    }
}

/// Loads one function; an error says whose it is.
fn named<E>(
    name: &'static str,
    load: impl FnOnce(&'static str) -> Loading<E>,
) -> BoxFuture<'static, anyhow::Result<Function>>
where
    E: std::error::Error + fmt::Debug + Send + Sync + 'static,
{
    let loading = load(name);
    async move { loading.await.with_context(|| format!("loading the function `{name}`")) }.boxed()
}
