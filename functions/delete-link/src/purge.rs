//! Ordering that everything be removed that is stored of a link's clicks. The worker `purge-clicks`
//! does it.

use std::time::Duration;

use domain::{Action, LinkId, Principal, WorkspaceId};
use lambda::auth::Caller;
use lambda::{Body, Kind, Problem, Response};
use queue::PurgeMessage;
use store::ledger::{PurgeOrder, Target};
use store::{Existence, Journal};

use crate::App;

/// An order that is given now, and the journal that writes it down.
pub(crate) fn order(
    app: &App,
    caller: &Caller,
    (workspace, link): (WorkspaceId, LinkId),
    journal: Journal,
) -> Result<(PurgeOrder, Journal), Problem> {
    let by: Principal = caller.principal_as()?;
    let now = app.clock.now();
    let order = PurgeOrder::new(Target::Link(link), workspace, by, now, app.retention);
    let event = app.guard.event(workspace, by, Action::LinkPurgeOrdered, link);
    let journal = journal.and(event).ordering(&app.clicks_table, &order);
    Ok((order, journal))
}

/// Orders the purge of a link that was deleted before. Where it was ordered before as well, this says
/// how far it is.
pub(crate) async fn of_deleted(
    app: &App,
    caller: &Caller,
    (workspace, link): (WorkspaceId, LinkId),
) -> Result<Response<Body>, Problem> {
    let place = (workspace, Existence::Deleted);
    let was_there = app.links.click_shards(place, link).await.map_err(api::unread_ids)?;
    if was_there.is_none() {
        return Err(api::no_link());
    }
    let target = Target::Link(link);
    if let Some(order) = app.ledger.purge_order(target).await.map_err(api::unread)? {
        return begin(app, &order).await;
    }
    let by: Principal = caller.principal_as()?;
    let order = PurgeOrder::new(target, workspace, by, app.clock.now(), app.retention);
    let journal = app.guard.journal(caller, Action::LinkPurgeOrdered, link)?;
    let order = app.ledger.order_purge(&order, &journal).await.map_err(api::unpurged)?;
    begin(app, &order).await
}

/// Starts an order that was written down, and answers 202. Whoever gets another answer asks again.
pub(crate) async fn begin(app: &App, order: &PurgeOrder) -> Result<Response<Body>, Problem> {
    if order.proof.is_none() {
        let message = PurgeMessage::new(order.target);
        let sent = app.purges.send(&message, Duration::ZERO).await;
        sent.map_err(|error| Problem::server(Kind::Unavailable, error))?;
        tracing::info!(target.id = %order.target, "`{}` is to be purged", order.target);
    }
    api::respond_purge(order)
}
