# What the modules make of what they are told, where the whole deployment does not show it.

mock_provider "aws" {
  source = "./tests/aws"
}

variables {
  name = "signpost"
}

run "data" {
  command = apply

  module {
    source = "./modules/data"
  }

  variables {
    bucket              = "signpost-raw-clicks"
    raw_retention_days  = 400
    deletion_protection = true
    tls_only            = true
  }

  assert {
    condition = alltrue([for table in aws_dynamodb_table.this :
      table.billing_mode == "PAY_PER_REQUEST"
      && table.deletion_protection_enabled
      && table.point_in_time_recovery[0].enabled
      && table.ttl[0].enabled && table.ttl[0].attribute_name == "expires"
      && table.hash_key == "pk" && table.range_key == "sk"
    ])
    error_message = "Each table is paid by the request, protected, can be had back, and forgets what has expired."
  }

  assert {
    condition     = [for index in aws_dynamodb_table.this["links"].global_secondary_index : "${index.name} ${index.hash_key} ${index.range_key}"] == ["by-slug slug_of slug"]
    error_message = "The links table has its index."
  }

  assert {
    condition     = !aws_s3_bucket.raw.force_destroy && alltrue([aws_s3_bucket_public_access_block.raw.block_public_acls, aws_s3_bucket_public_access_block.raw.block_public_policy, aws_s3_bucket_public_access_block.raw.ignore_public_acls, aws_s3_bucket_public_access_block.raw.restrict_public_buckets])
    error_message = "Raw clicks are private, and do not go with a mistake."
  }

  assert {
    condition     = jsondecode(one(aws_s3_bucket_policy.raw[*]).policy).Statement[0].Condition == { Bool = { "aws:SecureTransport" = "false" } }
    error_message = "Raw clicks travel by TLS only."
  }

  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.raw.rule : rule.expiration[0].days if rule.id == "retention"]) == 400
    error_message = "Raw clicks go when they are to."
  }
}

run "queues" {
  command = apply

  module {
    source = "./modules/queues"
  }

  variables {
    tls_only = true
    queues = {
      clicks = {
        visibility_timeout_seconds = 365
        receive_wait_seconds       = 20
        message_retention_seconds  = 345600
        max_receive_count          = 5
        dead_letter_queue          = "clicks-dead"
      }
      clicks-dead = {
        visibility_timeout_seconds = 365
        receive_wait_seconds       = 0
        message_retention_seconds  = 1209600
      }
    }
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_policy.this["clicks"].redrive_policy).maxReceiveCount == 5 && keys(aws_sqs_queue_redrive_policy.this) == ["clicks"]
    error_message = "What nobody can handle goes to the dead-letter queue."
  }

  assert {
    condition     = keys(aws_sqs_queue_redrive_allow_policy.this) == ["clicks-dead"] && jsondecode(aws_sqs_queue_redrive_allow_policy.this["clicks-dead"].redrive_allow_policy).redrivePermission == "byQueue"
    error_message = "Only its own queue fills a dead-letter queue."
  }

  assert {
    condition     = alltrue([for queue in aws_sqs_queue.this : queue.sqs_managed_sse_enabled]) && length(aws_sqs_queue_policy.this) == 2
    error_message = "Messages are encrypted where they lie and on their way."
  }
}

run "workers" {
  command = apply

  module {
    source = "./modules/workers"
  }

  variables {
    workers = {
      record-clicks = {
        queue                      = "clicks"
        batch_size                 = 1000
        batching_window_seconds    = 2
        maximum_concurrency        = 10
        report_batch_item_failures = true
        timeout_seconds            = 60
      }
      verify-ledger = {
        schedule        = "rate(1 hour)"
        timeout_seconds = 60
      }
    }
    queue_arns = { clicks = "arn:aws:sqs:eu-west-1:123456789012:signpost-clicks" }
    functions = {
      record-clicks = {
        name      = "signpost-record-clicks"
        alias     = "live"
        alias_arn = "arn:aws:lambda:eu-west-1:123456789012:function:signpost-record-clicks:live"
      }
      verify-ledger = {
        name      = "signpost-verify-ledger"
        alias     = "live"
        alias_arn = "arn:aws:lambda:eu-west-1:123456789012:function:signpost-verify-ledger:live"
      }
    }
  }

  assert {
    condition     = keys(aws_lambda_event_source_mapping.this) == ["record-clicks"] && aws_lambda_event_source_mapping.this["record-clicks"].function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "A worker says which messages failed, and is heard."
  }

  assert {
    condition     = endswith(aws_lambda_event_source_mapping.this["record-clicks"].function_name, ":live") && endswith(aws_cloudwatch_event_target.this["verify-ledger"].arn, ":live")
    error_message = "Triggers call the alias, or a version on trial would get everything at once."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this["record-clicks"].scaling_config[0].maximum_concurrency == 10
    error_message = "A flood of clicks is counted a few batches at a time."
  }

  assert {
    condition     = keys(aws_cloudwatch_event_rule.this) == ["verify-ledger"] && aws_cloudwatch_event_rule.this["verify-ledger"].schedule_expression == "rate(1 hour)" && aws_lambda_permission.schedule["verify-ledger"].qualifier == "live"
    error_message = "A schedule starts its worker, and may."
  }
}

# Halfway through a rotation: the new key signs, the old one is retired.
run "tokens" {
  command = apply

  module {
    source = "./modules/tokens"
  }

  variables {
    keys          = ["2"]
    retired       = ["1"]
    account_id    = "123456789012"
    partition     = "aws"
    deletion_days = 30
  }

  assert {
    condition     = keys(aws_kms_key.this) == ["1", "2"] && length(output.arns) == 2
    error_message = "A retired key is there, for versions from before that still ask for it."
  }

  assert {
    condition     = output.setting == "kms:mocked"
    error_message = "No new version believes a retired key."
  }
}

run "a_worker_with_two_triggers" {
  command = plan

  module {
    source = "./modules/workers"
  }

  state_key = "two-triggers"

  variables {
    workers    = { both = { queue = "clicks", schedule = "rate(1 hour)", timeout_seconds = 60 } }
    queue_arns = {}
    functions  = {}
  }

  expect_failures = [var.workers]
}

run "a_linear_deployment" {
  command = apply

  module {
    source = "./modules/deployments"
  }

  variables {
    partition = "aws"
    functions = ["redirect"]
    canary    = { type = "linear", percent = 20, minutes = 3 }
    alarms    = ["signpost-redirect-unavailable"]
  }

  assert {
    condition     = one(aws_codedeploy_deployment_config.this.traffic_routing_config).type == "TimeBasedLinear" && one(one(aws_codedeploy_deployment_config.this.traffic_routing_config).time_based_linear).percentage == 20
    error_message = "Traffic moves by a fifth each time."
  }

  assert {
    condition     = contains(one(aws_codedeploy_deployment_group.this["redirect"].auto_rollback_configuration).events, "DEPLOYMENT_STOP_ON_ALARM")
    error_message = "An alarm takes a deployment back."
  }
}

run "observability" {
  command = apply

  module {
    source = "./modules/observability"
  }

  variables {
    region          = "eu-west-1"
    account_id      = "123456789012"
    access_log      = "/aws/apigateway/signpost"
    api_id          = "abcde12345"
    redirect_routes = ["GET /", "GET /{slug}"]
    queues          = { clicks = "signpost-clicks", dead = "signpost-clicks-dead" }
    tables          = ["signpost-links"]
    functions       = { redirect = "signpost-redirect" }
    emails          = ["oncall@example.com"]
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn])]) && aws_cloudwatch_metric_alarm.limits.alarm_actions == toset([aws_sns_topic.alarms.arn])
    error_message = "Every alarm tells somebody."
  }

  assert {
    condition     = keys(aws_sns_topic_subscription.email) == ["oncall@example.com"]
    error_message = "Who is to be told is told."
  }

  assert {
    condition = alltrue([for filter in aws_cloudwatch_log_metric_filter.this :
      length(filter.pattern) <= 1024 && strcontains(filter.pattern, "GET /{slug}")
    ])
    error_message = "A filter knows redirects from the rest, and is no longer than AWS takes."
  }

  # The least that a message of a failed batch is away is its queue's visibility.
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["clicks-late"].datapoints_to_alarm * aws_cloudwatch_metric_alarm.this["clicks-late"].period > 60 + yamldecode(file("../../workers.yaml")).queues.clicks.visibility_timeout_seconds
    error_message = "One batch that failed once wakes nobody."
  }

  # An alarm without data is one on nothing: each waits for a metric that somebody writes.
  assert {
    condition = alltrue([for key, alarm in aws_cloudwatch_metric_alarm.this :
      alarm.namespace != "Signpost/signpost"
      || contains([for filter in aws_cloudwatch_log_metric_filter.this : filter.metric_transformation[0].name], alarm.metric_name)
    ])
    error_message = "An alarm on the access log has a filter that makes its metric."
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 10
    error_message = "The dashboard shows the alarms, and nine pictures."
  }
}
