//! `template.yaml` as it should be: what is listed elsewhere, as SAM wants it.

mod settings;

use std::collections::BTreeMap;
use std::fmt::Write as _;

pub(crate) use settings::{Shown, shown, value};

use crate::given::{Given, Resource};
use crate::openapi::OpenApi;
use crate::repository::folders;
use crate::tables::{Table, tables};
use crate::workers::{Queue, Worker, Workers};

/// What is fixed, with marks where the rest belongs.
const FRAME: &str = include_str!("frame.yaml");

/// The whole template.
pub(crate) async fn render() -> String {
    let workers = Workers::get();
    let parts = BTreeMap::from([
        ("parameters", settings::parameters()),
        ("tables", tables().await.iter().map(table).collect()),
        ("queues", workers.queues.iter().map(queue).collect()),
        ("functions", folders("functions").iter().map(|name| function(name, &workers)).collect()),
        ("outputs", workers.queues.keys().map(|name| output(name)).collect()),
    ]);
    let mut page = String::new();
    for line in FRAME.lines() {
        match line.strip_prefix("#: ") {
            Some(name) => page.push_str(parts[name].trim_end()),
            None => page.push_str(line),
        }
        page.push('\n');
    }
    page
}

/// `create-link`, `redirect.head` or `CLICK_SEND` as resources and parameters are called.
pub(crate) fn pascal(name: &str) -> String {
    let parts = name.split(['-', '.', '_']);
    let capital = |part: &str| {
        let part = part.to_lowercase();
        let (first, rest) = part.split_at(part.len().min(1));
        format!("{}{rest}", first.to_uppercase())
    };
    parts.map(capital).collect()
}

fn table(table: &Table) -> String {
    let mut page = format!(
        "  {name}Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      DeletionProtectionEnabled: !Ref DeletionProtection
      PointInTimeRecoverySpecification: {{ PointInTimeRecoveryEnabled: {restored} }}
      TimeToLiveSpecification: {{ AttributeName: {expires}, Enabled: true }}
      AttributeDefinitions:
",
        name = pascal(&table.name),
        restored = table.can_be_restored(),
        expires = table.expires,
    );
    for (name, kind) in &table.attributes {
        let _ = writeln!(page, "        - {{ AttributeName: {name}, AttributeType: {kind} }}");
    }
    let _ = writeln!(page, "      KeySchema:");
    page.push_str(&key_schema(&table.hash_key, table.range_key.as_deref(), 8));
    for index in &table.indexes {
        let _ = write!(
            page,
            "      GlobalSecondaryIndexes:
        - IndexName: {}
          KeySchema:
{}          Projection:
            ProjectionType: INCLUDE
            NonKeyAttributes: [{}]
",
            index.name,
            key_schema(&index.hash_key, Some(&index.range_key), 12),
            index.included.join(", "),
        );
    }
    page + "\n"
}

fn key_schema(hash: &str, range: Option<&str>, indent: usize) -> String {
    let part =
        |name, kind| format!("{:indent$}- {{ AttributeName: {name}, KeyType: {kind} }}\n", "");
    part(hash, "HASH") + &range.map(|range| part(range, "RANGE")).unwrap_or_default()
}

fn queue((name, queue): (&String, &Queue)) -> String {
    let mut page = format!(
        "  {name}Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub ${{AWS::StackName}}-{queue_name}
      SqsManagedSseEnabled: true
      MessageRetentionPeriod: {retention}
      ReceiveMessageWaitTimeSeconds: {wait}
      VisibilityTimeout: {visibility}
",
        name = pascal(name),
        queue_name = name,
        retention = queue.message_retention_seconds,
        wait = queue.receive_wait_seconds,
        visibility = queue.visibility_timeout_seconds,
    );
    if let (Some(dead), Some(most)) = (&queue.dead_letter_queue, queue.max_receive_count) {
        let _ = write!(
            page,
            "      RedrivePolicy:
        deadLetterTargetArn: !GetAtt {}Queue.Arn
        maxReceiveCount: {most}
",
            pascal(dead),
        );
    }
    page + "\n"
}

fn output(queue: &str) -> String {
    let name = pascal(queue);
    format!(
        "  {name}QueueUrl:
    Description: The queue `{queue}`.
    Value: !Ref {name}Queue

"
    )
}

fn function(name: &str, workers: &Workers) -> String {
    let (given, resource) = (Given::to(name), pascal(name));
    let worker = workers.workers.get(name);
    let timeout = given.timeout_seconds.or(worker.map(|worker| worker.timeout_seconds));
    let mut page = format!(
        "  {resource}Function:
    Type: AWS::Serverless::Function
    Metadata:
      BuildMethod: rust-cargolambda
      BuildProperties: {{ Binary: {name} }}
    Properties:
      FunctionName: !Sub ${{AWS::StackName}}-{name}
      MemorySize: {memory}
      Timeout: {timeout}
",
        memory = given.memory_mb,
        timeout = timeout.unwrap_or_default(),
    );
    // On the path of clicks: a thousand traces for each of a call of the API would cost more than all
    // the rest. In Terraform it is `tracing = "api"`.
    if given.permissions.contains_key(&Resource::ClicksQueue) {
        page.push_str("      Tracing: PassThrough\n");
    }
    let values: Vec<_> = given
        .environment
        .all()
        .into_iter()
        .filter_map(|name| Some((value(&name)?, name)))
        .collect();
    if !values.is_empty() {
        page.push_str("      Environment:\n        Variables:\n");
        for (value, name) in values {
            let _ = writeln!(page, "          {name}: {value}");
        }
    }
    if !given.permissions.is_empty() {
        page.push_str("      Policies:\n        - Statement:\n");
        for (resource, actions) in &given.permissions {
            let _ = write!(
                page,
                "            - Effect: Allow
              Action: [{}]
              Resource: {}
",
                actions.join(", "),
                arn(*resource),
            );
            if *resource == Resource::LakeBucket {
                // Where there is a prefix: in Terraform stands why.
                page.push_str("              Condition: { StringLikeIfExists: { s3:prefix: [raw/*, clicks/*] } }\n");
            }
        }
    }
    page.push_str(&events(name, worker));
    page.push('\n');
    if let Some((worker, queue)) = worker.and_then(|it| Some((it, it.queue.as_deref()?))) {
        page.push_str(&event_source(&resource, worker, queue));
    }
    page
}

/// What a permission is for.
fn arn(resource: Resource) -> &'static str {
    match resource {
        Resource::LinksTable => "!GetAtt LinksTable.Arn",
        Resource::LinksIndex => "!Sub ${LinksTable.Arn}/index/by-slug",
        Resource::ClicksTable => "!GetAtt ClicksTable.Arn",
        Resource::AccountsTable => "!GetAtt AccountsTable.Arn",
        Resource::SaltsTable => "!GetAtt SaltsTable.Arn",
        Resource::ClicksQueue => "!GetAtt ClicksQueue.Arn",
        Resource::PurgesQueue => "!GetAtt PurgesQueue.Arn",
        Resource::RawObjects => "!Sub ${RawClicks.Arn}/raw/*",
        Resource::LakeObjects => "!Sub ${RawClicks.Arn}/clicks/*",
        Resource::LakeBucket => "!GetAtt RawClicks.Arn",
        Resource::TokenKeys => "!GetAtt TokenKey.Arn",
    }
}

/// The routes and the schedule of a function.
fn events(name: &str, worker: Option<&Worker>) -> String {
    let mut events = String::new();
    let api = OpenApi::get();
    for operation in api.operations.iter().filter(|operation| operation.function == name) {
        let _ = write!(
            events,
            "        {}:
          Type: HttpApi
          Properties:
            ApiId: !Ref Api
            Method: {}
            Path: {}
",
            pascal(&operation.id),
            operation.method,
            operation.path,
        );
        if !operation.secured {
            events.push_str("            Auth: { Authorizer: NONE }\n");
        }
    }
    if api.default_function() == name {
        events.push_str(
            "        # No path and no method: the route `$default`.
        Default:
          Type: HttpApi
          Properties:
            ApiId: !Ref Api
            Auth: { Authorizer: NONE }
",
        );
    }
    if let Some(schedule) = worker.and_then(|worker| worker.schedule.as_ref()) {
        let _ = write!(
            events,
            "        Schedule:
          Type: Schedule
          Properties:
            Schedule: {schedule}
",
        );
    }
    // The authorizer is named by the API, and a worker of a queue by its trigger.
    if events.is_empty() { events } else { format!("      Events:\n{events}") }
}

/// The trigger of a worker of a queue.
///
/// A resource of its own: SAM's event would add a policy of AWS's, for all queues there are.
fn event_source(function: &str, worker: &Worker, queue: &str) -> String {
    let mut page = format!(
        "  # A resource of its own: SAM's event would add a policy for all queues there are.
  {function}FunctionTrigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt {queue}Queue.Arn
      FunctionName: !Ref {function}Function
",
        queue = pascal(queue),
    );
    if let Some(size) = worker.batch_size {
        let _ = writeln!(page, "      BatchSize: {size}");
    }
    if let Some(seconds) = worker.batching_window_seconds {
        let _ = writeln!(page, "      MaximumBatchingWindowInSeconds: {seconds}");
    }
    if let Some(most) = worker.maximum_concurrency {
        let _ = writeln!(page, "      ScalingConfig: {{ MaximumConcurrency: {most} }}");
    }
    if worker.report_batch_item_failures == Some(true) {
        page.push_str("      FunctionResponseTypes: [ReportBatchItemFailures]\n");
    }
    page + "\n"
}
