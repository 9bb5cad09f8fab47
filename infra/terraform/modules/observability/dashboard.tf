# One page that shows how it is: promises first, causes below. Three dashboards are free.

locals {
  widgets = [
    { title = "Redirects", width = 8, view = "timeSeries", period = 60, metrics = [
      [local.log_namespace, "RedirectUnavailable", { stat = "SampleCount", label = "followed" }],
      [local.log_namespace, "RedirectUnavailable", { stat = "Sum", label = "failed" }],
    ] },
    { title = "Redirects: how long, in ms", width = 8, view = "timeSeries", period = 300, metrics = [
      for percentile in ["p50", "p90", "p99"] :
      [local.log_namespace, "RedirectLatency", { stat = percentile, label = percentile }]
    ] },
    { title = "API", width = 8, view = "timeSeries", period = 60, metrics = [
      [local.log_namespace, "ApiUnavailable", { stat = "SampleCount", label = "calls" }],
      [local.log_namespace, "ApiUnavailable", { stat = "Sum", label = "failed" }],
      ["AWS/ApiGateway", "4xx", "ApiId", var.api_id, { stat = "Sum", label = "refused, with redirects" }],
    ] },
    { title = "Clicks: age of the oldest that waits, in s", width = 8, view = "timeSeries", period = 60, metrics = [
      ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queues.clicks, { stat = "Maximum" }],
    ] },
    { title = "Clicks: sent, counted, waiting, dead", width = 8, view = "timeSeries", period = 60, metrics = concat(
      [
        ["AWS/SQS", "NumberOfMessagesSent", "QueueName", var.queues.clicks, { stat = "Sum", label = "sent" }],
        ["AWS/SQS", "NumberOfMessagesDeleted", "QueueName", var.queues.clicks, { stat = "Sum", label = "counted" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queues.clicks, { stat = "Maximum", label = "waiting" }],
      ],
      [for key, name in var.queues.dead :
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name, { stat = "Maximum", label = key }]
      ],
    ) },
    { title = "Ledger and lake", width = 8, view = "timeSeries", period = 3600, metrics = [
      [local.namespace, "LedgerVerified", "service", local.service, "function", "verify-ledger", { stat = "Sum", label = "looked at" }],
      [local.namespace, "LedgerDifference", "service", local.service, "function", "verify-ledger", { stat = "Sum", label = "differ" }],
      [local.namespace, "ClickNotSent", "service", local.service, "function", "redirect", { stat = "Sum", label = "clicks not sent" }],
      [local.namespace, "ClicksCompacted", "service", local.service, "function", "compact-clicks", { stat = "Sum", label = "clicks compacted" }],
      [local.namespace, "RawLinesUnreadable", "service", local.service, "function", "compact-clicks", { stat = "Sum", label = "lines put aside" }],
    ] },
    { title = "Functions: errors", width = 8, view = "timeSeries", period = 60, metrics = [
      for name in sort(keys(var.functions)) :
      ["AWS/Lambda", "Errors", "FunctionName", var.functions[name], { stat = "Sum", label = name }]
    ] },
    { title = "Functions: at the same time, and refused", width = 8, view = "timeSeries", period = 60, metrics = [
      ["AWS/Lambda", "ConcurrentExecutions", { stat = "Maximum", label = "all of the account" }],
      ["AWS/Lambda", "Throttles", { stat = "Sum", label = "refused" }],
    ] },
    { title = "Tables: requests throttled", width = 8, view = "timeSeries", period = 60, metrics = [
      for pair in setproduct(var.tables, ["ReadThrottleEvents", "WriteThrottleEvents"]) :
      ["AWS/DynamoDB", pair[1], "TableName", pair[0], { stat = "Sum" }]
    ] },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type   = "alarm"
        x      = 0
        y      = 0
        width  = 24
        height = 3
        properties = {
          title = "Alarms"
          alarms = concat(
            [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn],
            [aws_cloudwatch_metric_alarm.dead.arn, aws_cloudwatch_metric_alarm.limits.arn],
          )
        }
      }],
      [for index, widget in local.widgets : {
        type   = "metric"
        x      = 8 * (index % 3)
        y      = 3 + 6 * floor(index / 3)
        width  = widget.width
        height = 6
        properties = {
          title   = widget.title
          region  = var.region
          view    = widget.view
          period  = widget.period
          metrics = widget.metrics
        }
      }],
    )
  })
}
