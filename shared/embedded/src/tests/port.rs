//! The same stores on a loopback port, by the SDKs' real HTTP client.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::Embedded;

async fn over_http(embedded: &Embedded) -> (SdkConfig, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = embedded.clone();
    tokio::spawn(async move {
        server.serve(listener, async { drop(stopped.await) }).await;
    });
    let config = embedded
        .sdk_config()
        .into_builder()
        .endpoint_url(format!("http://{address}"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    (config, stop)
}

#[tokio::test]
async fn all_three_stores_are_on_the_port() {
    let embedded = Embedded::in_memory().unwrap();
    let (config, _stop) = over_http(&embedded).await;

    let sqs = aws_sdk_sqs::Client::new(&config);
    let queue = sqs.create_queue().queue_name("clicks").send().await.unwrap().queue_url.unwrap();
    let endpoint = config.endpoint_url().unwrap();
    assert_eq!(queue, format!("{endpoint}/000000000000/clicks"));
    sqs.send_message().queue_url(&queue).message_body("by wire").send().await.unwrap();
    // It is the same queue as the one behind the door, whichever URL is used.
    let direct = aws_sdk_sqs::Client::new(&embedded.sdk_config());
    let received = direct.receive_message().queue_url(&queue).send().await.unwrap();
    assert_eq!(received.messages()[0].body(), Some("by wire"));
    let missing = sqs.get_queue_url().queue_name("none").send().await.unwrap_err();
    assert!(missing.into_service_error().is_queue_does_not_exist());

    let s3 = aws_sdk_s3::Client::new(&config);
    s3.create_bucket().bucket("raw").send().await.unwrap();
    let put = s3.put_object().bucket("raw").key("a/b").body(vec![7; 100_000].into());
    put.send().await.unwrap();
    let object = s3.get_object().bucket("raw").key("a/b").send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().to_vec(), vec![7; 100_000]);

    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let missing = dynamodb.get_item().table_name("none").key("pk", AttributeValue::S("a".into()));
    let error = missing.send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
}

#[tokio::test]
async fn the_port_closes_at_shutdown_though_a_poll_waits() {
    let embedded = Embedded::in_memory().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = embedded.clone();
    let serving = tokio::spawn(async move {
        server.serve(listener, async { drop(stopped.await) }).await;
    });
    let config = embedded
        .sdk_config()
        .into_builder()
        .endpoint_url(format!("http://{address}"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
        .build();
    let sqs = aws_sdk_sqs::Client::new(&config);
    let queue = sqs.create_queue().queue_name("clicks").send().await.unwrap().queue_url.unwrap();
    let poll = tokio::spawn(sqs.receive_message().queue_url(queue).wait_time_seconds(20).send());
    tokio::task::yield_now().await;
    stop.send(()).unwrap();
    serving.await.unwrap();
    poll.await.unwrap().unwrap_err();
}
