output "name" {
  description = "Name of the function in AWS."
  value       = aws_lambda_function.this.function_name
}

output "version" {
  description = "The newest version, which the alias does not name yet while it is being deployed."
  value       = aws_lambda_function.this.version
}

output "alias" {
  description = "Name of the alias that is called."
  value       = local.alias.name
}

output "alias_arn" {
  description = "The alias, for event sources and schedules."
  value       = local.alias.arn
}

output "invoke_arn" {
  description = "The alias, for API Gateway."
  value       = local.alias.invoke_arn
}

output "log_group" {
  description = "Where it logs."
  value       = aws_cloudwatch_log_group.this.name
}

output "policy" {
  description = "All that its role allows, as JSON."
  value       = aws_iam_role_policy.this.policy
}

output "settings" {
  description = "Names of what it finds in its environment."
  value       = sort(keys(var.environment))
}

output "size" {
  description = "What it runs on, and for how long."
  value = {
    architecture    = one(aws_lambda_function.this.architectures)
    memory_mb       = aws_lambda_function.this.memory_size
    timeout_seconds = aws_lambda_function.this.timeout
  }
}

output "log_retention_days" {
  description = "How long its log is kept."
  value       = aws_cloudwatch_log_group.this.retention_in_days
}

output "traced" {
  description = "Whether X-Ray samples its calls."
  value       = one(aws_lambda_function.this.tracing_config).mode == "Active"
}
