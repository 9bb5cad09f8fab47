output "alarms" {
  description = "Name of each alarm in AWS, by its heading in docs/runbook.md."
  value = merge(
    { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.alarm_name },
    {
      "clicks-dead"        = aws_cloudwatch_metric_alarm.dead.alarm_name
      "limits-unavailable" = aws_cloudwatch_metric_alarm.limits.alarm_name
    },
  )
}

output "topic_arn" {
  description = "Where alarms are sent."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}
