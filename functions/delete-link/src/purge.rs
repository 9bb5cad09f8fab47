//! Ordering that everything be removed that is stored of a link's clicks. The worker `purge-clicks`
//! does it.

use domain::{Action, LinkId, Principal, WorkspaceId};
use lambda::auth::Caller;
use lambda::{Body, Kind, Problem, Response};
use store::ledger::{PurgeOrder, Target};
use store::{Existence, Journal};

use crate::App;

/// A purge that takes longer may be among the dead: whoever asks how far it is has it begin again.
const PATIENCE_SECONDS: i64 = 60 * 60;

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
    let (target, now) = (Target::Link(link), app.clock.now());
    if let Some(order) = app.ledger.purge_order(target).await.map_err(api::unread)? {
        let waits = now.as_second() - order.ordered_at.as_second();
        if order.proof.is_none() && PATIENCE_SECONDS < waits {
            announce(app, link).await?;
        }
        return api::respond_purge(&order);
    }
    announce(app, link).await?;
    let by: Principal = caller.principal_as()?;
    let order = PurgeOrder::new(target, workspace, by, now, app.retention);
    let journal = app.guard.journal(caller, Action::LinkPurgeOrdered, link)?;
    let order = app.ledger.order_purge(&order, &journal).await.map_err(api::unpurged)?;
    api::respond_purge(&order)
}

/// Has the worker begin a little later.
pub(crate) async fn announce(app: &App, link: LinkId) -> Result<(), Problem> {
    let announced = app.purges.announce(link).await;
    announced.map_err(|error| Problem::server(Kind::Unavailable, error))
}
