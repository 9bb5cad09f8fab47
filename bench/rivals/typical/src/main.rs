//! A redirect with counting, as a user of the SDKs writes it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Error, Request, RequestExt, Response, run, service_fn, tracing};
use serde_json::json;

const TTL: Duration = Duration::from_secs(30);

struct App {
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    table: String,
    queue: String,
    cache: Mutex<HashMap<String, (String, Instant)>>,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = aws_config::load_from_env().await;
    let app = App {
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        sqs: aws_sdk_sqs::Client::new(&config),
        table: std::env::var("TABLE")?,
        queue: std::env::var("QUEUE_URL")?,
        cache: Mutex::default(),
    };
    let app = &app;
    run(service_fn(move |request| async move { redirect(app, request).await })).await
}

async fn redirect(app: &App, request: Request) -> Result<Response<Body>, Error> {
    let slug = match request.path_parameters_ref().and_then(|all| all.first("slug")) {
        Some(slug) => slug.to_owned(),
        None => return Ok(Response::builder().status(404).body(Body::Empty)?),
    };
    let Some(url) = find(app, &slug).await? else {
        return Ok(Response::builder().status(404).body(Body::Empty)?);
    };
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let click = json!({
        "id": uuid::Uuid::new_v4().to_string(),
        "slug": slug,
        "userAgent": header("user-agent"),
        "referrer": header("referer"),
        "language": header("accept-language"),
        "country": header("cloudfront-viewer-country"),
    });
    let message = app.sqs.send_message().queue_url(&app.queue).message_body(click.to_string());
    message.send().await?;
    tracing::info!(slug, "redirected");
    Ok(Response::builder()
        .status(302)
        .header("location", url)
        .header("cache-control", "private, no-store")
        .body(Body::Empty)?)
}

async fn find(app: &App, slug: &str) -> Result<Option<String>, Error> {
    if let Some((url, at)) = app.cache.lock().expect("nobody panics").get(slug)
        && at.elapsed() < TTL
    {
        return Ok(Some(url.clone()));
    }
    let read = app.dynamodb.get_item().table_name(&app.table);
    let row = read.key("slug", AttributeValue::S(slug.to_owned())).send().await?;
    let Some(Ok(url)) = row.item.as_ref().and_then(|row| row.get("url")).map(|url| url.as_s())
    else {
        return Ok(None);
    };
    let known = (url.clone(), Instant::now());
    app.cache.lock().expect("nobody panics").insert(slug.to_owned(), known);
    Ok(Some(url.clone()))
}
