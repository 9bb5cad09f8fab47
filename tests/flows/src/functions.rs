//! All functions, by name.

use lambda::{Boot, Function};

macro_rules! functions {
    ($($name:literal: $kind:ident $function:ident,)*) => {
        /// Their names.
        pub(crate) const NAMES: &[&str] = &[$($name),*];

        /// Loads the function that is to be booted, or says why it does not start.
        pub(crate) async fn load(boot: Boot) -> Result<Function, String> {
            match boot.name {
                $($name => functions!($kind boot $function).await.map_err(|e| e.to_string()),)*
                name => Err(format!("tests/flows/src/functions.rs does not list `{name}`")),
            }
        }
    };
    (http $boot:ident $function:ident) => {
        Function::http($boot, $function::load, $function::handle)
    };
    (authorizer $boot:ident $function:ident) => {
        Function::authorizer($boot, $function::load, $function::handle)
    };
    (redirect $boot:ident $function:ident) => {
        Function::http_then($boot, $function::load, $function::handle, $function::send_click)
    };
    (schedule $boot:ident $function:ident) => {
        Function::schedule($boot, $function::load, $function::handle)
    };
    (sqs $boot:ident $function:ident) => {
        Function::sqs($boot, $function::load, $function::handle)
    };
}

functions! {
    "accept-invitation": http accept_invitation,
    "authorize": authorizer authorize,
    "compact-clicks": schedule compact_clicks,
    "create-invitation": http create_invitation,
    "create-key": http create_key,
    "create-link": http create_link,
    "create-workspace": http create_workspace,
    "delete-invitation": http delete_invitation,
    "delete-key": http delete_key,
    "delete-link": http delete_link,
    "delete-member": http delete_member,
    "delete-workspace": http delete_workspace,
    "finish-sign-in": http finish_sign_in,
    "get-jwks": http get_jwks,
    "get-link": http get_link,
    "get-openid-configuration": http get_openid_configuration,
    "get-user": http get_user,
    "get-workspace": http get_workspace,
    "health": http health,
    "issue-token": http issue_token,
    "link-stats": http link_stats,
    "list-clicks": http list_clicks,
    "list-invitations": http list_invitations,
    "list-audit-events": http list_audit_events,
    "list-keys": http list_keys,
    "list-links": http list_links,
    "list-members": http list_members,
    "list-workspaces": http list_workspaces,
    "not-found": http not_found,
    "orphan-stats": http orphan_stats,
    "purge-clicks": sqs purge_clicks,
    "record-clicks": sqs record_clicks,
    "redirect": redirect redirect,
    "register-user": http register_user,
    "revoke-token": http revoke_token,
    "rotate-salts": schedule rotate_salts,
    "start-sign-in": http start_sign_in,
    "update-link": http update_link,
    "update-member": http update_member,
    "update-user": http update_user,
    "update-workspace": http update_workspace,
    "verify-ledger": schedule verify_ledger,
    "workspace-stats": http workspace_stats,
}
