# What is measured, and who is told when it is not as promised. Each alarm has a heading of its name
# in docs/runbook.md.
#
# Alarms are few on purpose: each is something to get up for. And the first ten metrics of alarms are
# free, as are the first ten metrics of one's own.

locals {
  # Dimensions of what the functions count (shared/lambda/src/metrics.rs).
  namespace = "Signpost"
  service   = "signpost"

  # Metrics of the access log are the deployment's, of which an account can have several.
  log_namespace = "Signpost/${var.name}"

  # Filters of the access log. Redirects are apart: theirs are the promises, and there are a thousand
  # of them for each call of the API.
  is_redirect = join(" || ", [for route in var.redirect_routes : "($.route = \"${route}\")"])
  is_api      = join(" && ", [for route in var.redirect_routes : "($.route != \"${route}\")"])

  filters = {
    # A metric of ones and zeros: its average is the part that failed, its sum how many did, and how
    # many values it has is how many requests there were. One metric instead of three.
    redirect-failed = {
      pattern = "{ (${local.is_redirect}) && ($.status >= 500) }"
      metric  = "RedirectUnavailable"
      value   = "1"
      unit    = "Count"
    }
    redirect-answered = {
      pattern = "{ (${local.is_redirect}) && ($.status < 500) }"
      metric  = "RedirectUnavailable"
      value   = "0"
      unit    = "Count"
    }
    api-failed = {
      pattern = "{ ${local.is_api} && ($.status >= 500) }"
      metric  = "ApiUnavailable"
      value   = "1"
      unit    = "Count"
    }
    api-answered = {
      pattern = "{ ${local.is_api} && ($.status < 500) }"
      metric  = "ApiUnavailable"
      value   = "0"
      unit    = "Count"
    }
    redirect-latency = {
      pattern = "{ (${local.is_redirect}) && ($.latency_ms >= 0) }"
      metric  = "RedirectLatency"
      value   = "$.latency_ms"
      unit    = "Milliseconds"
    }
  }

  alarms = {
    redirect-unavailable = {
      says       = "More than 1 % of the redirects failed, in two of three minutes. At that rate the month's 0.05 % are used up in a day and a half."
      namespace  = local.log_namespace
      metric     = "RedirectUnavailable"
      statistic  = "Average"
      dimensions = {}
      period     = 60
      periods    = 3
      needed     = 2
      above      = 0.01
    }
    redirect-slow = {
      says       = "One redirect in a hundred took longer than 100 ms at the gateway, for a quarter of an hour."
      namespace  = local.log_namespace
      metric     = "RedirectLatency"
      statistic  = "p99"
      dimensions = {}
      period     = 300
      periods    = 3
      needed     = 3
      above      = 100
      # Of fewer than about a thousand redirects the slowest hundredth is a few cold starts.
      few = "ignore"
    }
    api-failing = {
      says       = "More than 5 % of the API's calls failed, in two of three minutes."
      namespace  = local.log_namespace
      metric     = "ApiUnavailable"
      statistic  = "Average"
      dimensions = {}
      period     = 60
      periods    = 3
      needed     = 2
      above      = 0.05
    }
    clicks-late = {
      says       = "For ten minutes clicks have waited longer than the minute in which they are to be counted."
      namespace  = "AWS/SQS"
      metric     = "ApproximateAgeOfOldestMessage"
      statistic  = "Maximum"
      dimensions = { QueueName = var.queues.clicks }
      period     = 60
      # A batch that failed once comes back after six minutes, and nobody has to get up for that.
      periods = 10
      needed  = 10
      above   = 60
    }
    clicks-not-sent = {
      says       = "A click could not be put on its queue. It is in the log of the redirect, to be sent again."
      namespace  = local.namespace
      metric     = "ClickNotSent"
      statistic  = "Sum"
      dimensions = { service = local.service, function = "redirect" }
      period     = 300
      periods    = 1
      needed     = 1
      above      = 0
    }
    ledger-differs = {
      says       = "Counts are not the number of recorded clicks. This must never be."
      namespace  = local.namespace
      metric     = "LedgerDifference"
      statistic  = "Sum"
      dimensions = { service = local.service, function = "verify-ledger" }
      period     = 3600
      periods    = 1
      needed     = 1
      above      = 0
    }
    ledger-unverified = {
      says       = "Nobody has verified the ledger for three hours."
      namespace  = local.namespace
      metric     = "LedgerVerified"
      statistic  = "SampleCount"
      dimensions = { service = local.service, function = "verify-ledger" }
      period     = 3600
      periods    = 3
      needed     = 3
      below      = 1
      missing    = "breaching"
    }
    functions-throttled = {
      says = "Lambda refused calls of functions in this account, in two of three minutes: its concurrency is used up."
      # Of all functions: the concurrency is the account's, so whoever used it up, ours are refused.
      namespace  = "AWS/Lambda"
      metric     = "Throttles"
      statistic  = "Sum"
      dimensions = {}
      period     = 60
      periods    = 3
      needed     = 2
      above      = 0
    }
  }

  # Every function that limits may count this, and a name that is not counted is not paid for.
  unlimited = "SELECT SUM(RateLimitUnavailable) FROM SCHEMA(\"${local.namespace}\", \"function\", \"service\")"
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = local.filters

  name           = each.key
  log_group_name = var.access_log
  pattern        = each.value.pattern

  metric_transformation {
    namespace = local.log_namespace
    name      = each.value.metric
    value     = each.value.value
    unit      = each.value.unit
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "${each.value.says} What to do: docs/runbook.md, ${each.key}."

  namespace   = each.value.namespace
  metric_name = each.value.metric
  dimensions  = each.value.dimensions

  # A percentile is another argument.
  statistic                             = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic                    = startswith(each.value.statistic, "p") ? each.value.statistic : null
  evaluate_low_sample_count_percentiles = try(each.value.few, null)

  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.needed
  comparison_operator = can(each.value.below) ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = try(each.value.below, each.value.above)
  # Nobody asked, nothing failed.
  treat_missing_data = try(each.value.missing, "notBreaching")

  alarm_actions = [aws_sns_topic.alarms.arn]
  ok_actions    = [aws_sns_topic.alarms.arn]
}

# Apart, because it looks at every queue of the dead. Each is one of the ten metrics of alarms that are
# free, as long as there are two of them.
resource "aws_cloudwatch_metric_alarm" "dead" {
  alarm_name        = "${var.name}-clicks-dead"
  alarm_description = "A click could not be counted, or a purge not be done, after five tries; it waits to be redriven. What to do: docs/runbook.md, clicks-dead."

  dynamic "metric_query" {
    for_each = var.queues.dead

    content {
      # Ids are letters, digits and underscores.
      id = replace(metric_query.key, "-", "_")

      metric {
        namespace   = "AWS/SQS"
        metric_name = "ApproximateNumberOfMessagesVisible"
        dimensions  = { QueueName = metric_query.value }
        stat        = "Maximum"
        period      = 60
      }
    }
  }

  # A queue that nobody has used for hours has no values, and is left out. Not filled with zeros: these
  # would stand where a value has only not come yet, and the newest minute would always be well.
  metric_query {
    id          = "most"
    expression  = "MAX(METRICS())"
    label       = "messages that nobody could handle"
    return_data = true
  }

  evaluation_periods  = 1
  datapoints_to_alarm = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  alarm_actions = [aws_sns_topic.alarms.arn]
  ok_actions    = [aws_sns_topic.alarms.arn]
}

# Apart, because it sums over functions.
resource "aws_cloudwatch_metric_alarm" "limits" {
  alarm_name        = "${var.name}-limits-unavailable"
  alarm_description = "For a quarter of an hour requests were let through that could not be counted. What to do: docs/runbook.md, limits-unavailable."

  metric_query {
    id          = "unlimited"
    expression  = local.unlimited
    label       = "requests without a limit"
    period      = 300
    return_data = true
  }

  evaluation_periods  = 3
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  # Single ones need nothing done.
  threshold          = 10
  treat_missing_data = "notBreaching"

  alarm_actions = [aws_sns_topic.alarms.arn]
  ok_actions    = [aws_sns_topic.alarms.arn]
}

resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:alarms cannot write to a topic under AWS's own key, and one of ours is paid for by the month; their texts hold no secret and no person
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.emails)

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}
