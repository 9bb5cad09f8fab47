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
    lake_retention_days = 400
    recovery_days       = 28
    deletion_protection = true
    tls_only            = true
  }

  assert {
    condition = alltrue([for table in aws_dynamodb_table.this :
      table.billing_mode == "PAY_PER_REQUEST"
      && table.deletion_protection_enabled
      && table.point_in_time_recovery[0].enabled && table.point_in_time_recovery[0].recovery_period_in_days == 28
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
    error_message = "Compacted clicks go when they are to."
  }

  # What is not compacted yet is in no other object, and no lifecycle may take it.
  assert {
    condition = { for rule in aws_s3_bucket_lifecycle_configuration.raw.rule :
      rule.filter[0].prefix => rule.expiration[0].days if try(rule.expiration[0].days > 0, false)
    } == { "athena/" = 7, "clicks/" = 400 }
    error_message = "Answers go after a week, compacted clicks when they are to, and raw clicks never by themselves."
  }

  assert {
    condition = { for rule in aws_s3_bucket_lifecycle_configuration.raw.rule :
      rule.id => rule.noncurrent_version_expiration[0].noncurrent_days if length(rule.noncurrent_version_expiration) > 0
    } == { leftovers = 28, compacted = 7, answers = 1 }
    error_message = "What was purged can be had back for as long as anything else, and no longer."
  }

  assert {
    condition = alltrue([
      !aws_dynamodb_table.salts.point_in_time_recovery[0].enabled,
      aws_dynamodb_table.salts.billing_mode == "PAY_PER_REQUEST",
      aws_dynamodb_table.salts.deletion_protection_enabled,
      aws_dynamodb_table.salts.ttl[0].enabled && aws_dynamodb_table.salts.ttl[0].attribute_name == "expires",
      aws_dynamodb_table.salts.hash_key == "pk" && aws_dynamodb_table.salts.range_key == null,
    ])
    error_message = "A salt that is gone cannot be had back."
  }

  assert {
    condition     = keys(output.tables) == ["accounts", "clicks", "links", "salts"]
    error_message = "All tables are known to those who need them."
  }
}

# The shortest time that DynamoDB has: nothing is kept for longer than the operator wants.
run "data_that_is_gone_at_once" {
  command = plan

  module {
    source = "./modules/data"
  }

  state_key = "gone-at-once"

  variables {
    bucket              = "signpost-raw-clicks"
    lake_retention_days = null
    recovery_days       = 1
    deletion_protection = true
    tls_only            = true
  }

  assert {
    condition = alltrue(flatten([for rule in aws_s3_bucket_lifecycle_configuration.raw.rule :
      [for version in rule.noncurrent_version_expiration : version.noncurrent_days == 1]
    ]))
    error_message = "No older version stays for longer than `recovery_days`."
  }

  assert {
    condition     = !contains([for rule in aws_s3_bucket_lifecycle_configuration.raw.rule : rule.id], "retention")
    error_message = "Clicks stay for ever where nobody says otherwise."
  }
}

run "analytics" {
  command = apply

  module {
    source = "./modules/analytics"
  }

  variables {
    name                = "signpost-test"
    bucket              = "signpost-raw-clicks"
    deletion_protection = true
    query_limit_gb      = 100
  }

  assert {
    condition     = output.names == { database = "signpost_test", table = "clicks", workgroup = "signpost-test" }
    error_message = "A query names the database without quotes."
  }

  assert {
    condition     = aws_glue_catalog_table.clicks.parameters["storage.location.template"] == "s3://signpost-raw-clicks/clicks/dt=$${dt}/hr=$${hr}/"
    error_message = "An hour is found by its name."
  }

  assert {
    condition     = [for key in aws_glue_catalog_table.clicks.partition_keys : key.name] == ["dt", "hr"] && aws_glue_catalog_table.clicks.parameters["projection.enabled"] == "true"
    error_message = "Days and hours are known without anybody telling Glue."
  }

  assert {
    condition     = substr(join(" ", [for column in aws_glue_catalog_table.clicks.storage_descriptor[0].columns : column.name]), 0, 18) == "id at workspace li"
    error_message = "The columns stand in their order."
  }

  assert {
    condition = (
      one(aws_athena_workgroup.this.configuration).enforce_workgroup_configuration
      && one(aws_athena_workgroup.this.configuration).bytes_scanned_cutoff_per_query == 100000000000
      && one(one(aws_athena_workgroup.this.configuration).result_configuration).output_location == "s3://signpost-raw-clicks/athena/"
      && !aws_athena_workgroup.this.force_destroy
    )
    error_message = "A question costs no more than it may, and its answer goes where answers expire."
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
      purges = {
        visibility_timeout_seconds = 5400
        receive_wait_seconds       = 20
        message_retention_seconds  = 345600
        max_receive_count          = 5
        dead_letter_queue          = "purges-dead"
      }
      purges-dead = {
        visibility_timeout_seconds = 5400
        receive_wait_seconds       = 0
        message_retention_seconds  = 1209600
      }
    }
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_policy.this["clicks"].redrive_policy).maxReceiveCount == 5 && keys(aws_sqs_queue_redrive_policy.this) == ["clicks", "purges"]
    error_message = "What nobody can handle goes to the dead-letter queue."
  }

  assert {
    condition     = keys(aws_sqs_queue_redrive_allow_policy.this) == ["clicks-dead", "purges-dead"] && join(" ", output.dead) == "clicks-dead purges-dead" && jsondecode(aws_sqs_queue_redrive_allow_policy.this["clicks-dead"].redrive_allow_policy).redrivePermission == "byQueue"
    error_message = "Only its own queue fills a dead-letter queue."
  }

  assert {
    condition     = alltrue([for queue in aws_sqs_queue.this : queue.sqs_managed_sse_enabled]) && length(aws_sqs_queue_policy.this) == 4
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
    queues = {
      clicks = "signpost-clicks"
      dead   = { clicks-dead = "signpost-clicks-dead", purges-dead = "signpost-purges-dead" }
    }
    tables    = ["signpost-links"]
    functions = { redirect = "signpost-redirect" }
    emails    = ["oncall@example.com"]
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn])]) && aws_cloudwatch_metric_alarm.limits.alarm_actions == toset([aws_sns_topic.alarms.arn]) && aws_cloudwatch_metric_alarm.dead.alarm_actions == toset([aws_sns_topic.alarms.arn])
    error_message = "Every alarm tells somebody."
  }

  assert {
    condition = toset([for query in aws_cloudwatch_metric_alarm.dead.metric_query : query.metric[0].dimensions["QueueName"] if length(query.metric) > 0]) == toset([
      "signpost-clicks-dead", "signpost-purges-dead",
    ])
    error_message = "One alarm looks at the dead of every queue."
  }

  # Ten metrics of alarms are free. The tenth alarm asks another way, and is paid for when it is needed.
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) + length([for query in aws_cloudwatch_metric_alarm.dead.metric_query : query if length(query.metric) > 0]) <= 10
    error_message = "The alarms cost nothing when nobody comes."
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
