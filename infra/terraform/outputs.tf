# What one needs to know of a deployment.

output "invoke_url" {
  description = "The API's address in AWS. With domains it answers nobody: call `url`."
  value       = module.api.endpoint
}

output "api_id" {
  description = "API Gateway's id of the API."
  value       = module.api.id
}

output "tables" {
  description = "Names of the tables."
  value       = { for name, table in module.data.tables : name => table.name }
}

output "queues" {
  description = "URLs of the queues."
  value       = { for name, queue in module.queues.queues : name => queue.url }
}

output "queue_arns" {
  description = "ARNs of the queues, for redriving."
  value       = { for name, queue in module.queues.queues : name => queue.arn }
}

output "raw_bucket" {
  description = "The bucket of raw clicks."
  value       = module.data.bucket.name
}

output "functions" {
  description = "Each function's name in AWS, its newest version, the alias that is called, and its log."
  value = { for name, function in module.function : name => {
    name      = function.name
    version   = function.version
    alias     = function.alias
    log_group = function.log_group
  } }
}
