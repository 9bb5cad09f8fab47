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
    (sqs $boot:ident $function:ident) => {
        Function::sqs($boot, $function::load, $function::handle)
    };
}

functions! {
    "authorize": authorizer authorize,
    "create-link": http create_link,
    "delete-link": http delete_link,
    "get-link": http get_link,
    "health": http health,
    "link-stats": http link_stats,
    "list-clicks": http list_clicks,
    "list-links": http list_links,
    "not-found": http not_found,
    "record-clicks": sqs record_clicks,
    "redirect": redirect redirect,
    "update-link": http update_link,
}
