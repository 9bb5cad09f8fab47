//! SQS by `aws-sdk-sqs`.

use aws_sdk_sqs::Client;

use crate::Embedded;

#[tokio::test]
async fn a_message_is_sent_received_and_deleted() {
    let embedded = Embedded::in_memory().unwrap();
    let sqs = Client::new(&embedded.sdk_config());
    let url = sqs.create_queue().queue_name("clicks").send().await.unwrap().queue_url.unwrap();
    let sent = sqs.send_message().queue_url(&url).message_body("hello").send().await.unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("5d41402abc4b2a76b9719d911017c592"));

    let received = sqs.receive_message().queue_url(&url).send().await.unwrap();
    let [message] = received.messages() else { panic!("{received:?}") };
    assert_eq!(message.body(), Some("hello"));
    assert_eq!(message.message_id(), sent.message_id());

    let handle = message.receipt_handle().unwrap();
    sqs.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
}
