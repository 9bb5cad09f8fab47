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
  description = "The bucket of clicks: `raw/` as they came, `clicks/` compacted by the hour."
  value       = module.data.bucket.name
}

output "analytics" {
  description = "Where Athena finds the clicks: database, table and workgroup; null in an emulator."
  value       = one(module.analytics[*].names)
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

output "versions" {
  description = "For scripts/deploy: a line for each function, with its name here and in AWS, its alias, and its newest version."
  value = join("\n", [for name, function in module.function :
    "${name} ${function.name} ${function.alias} ${function.version}"
  ])
}

output "url" {
  description = "Where the service is reached."
  value       = local.has_edge ? local.origins[0] : module.api.endpoint
}

output "dns_records" {
  description = "Records to make where DNS is not in Route 53. At the top of a zone a CNAME is not allowed: use the ALIAS or ANAME of your provider."
  value       = flatten(module.edge[*].records)
}

output "distributions" {
  description = "CloudFront's id of each domain's distribution."
  value       = local.has_edge ? module.edge[0].distributions : {}
}

output "token_keys" {
  description = "ARNs of the keys of access tokens: the one that signs, those that are believed, those that are retired."
  value       = module.tokens.arns
}

output "alarms" {
  description = "Names of the alarms, by their headings in docs/runbook.md."
  value       = module.observability.alarms
}

output "dashboard" {
  description = "Name of the dashboard in CloudWatch."
  value       = module.observability.dashboard
}

output "access_log" {
  description = "The log with a line for each request."
  value       = module.api.access_log
}

output "region" {
  description = "Where it runs."
  value       = var.region
}

output "deployments" {
  description = "CodeDeploy's application; empty where aliases follow the newest version."
  value       = join("", module.deployments[*].application)
}

output "next_steps" {
  description = "What to do now."
  value = var.local ? "Call ${module.api.endpoint} through the emulator; README.md in this folder says how." : join("\n", concat(
    [for record in flatten(module.edge[*].records) : "- Make the DNS record ${record.name} ${record.type} ${record.value}"],
    [for address in var.alarm_emails : "- ${address} has got a mail of AWS: follow its link, or alarms will not reach you."],
    length(var.alarm_emails) == 0 ? ["- Nobody is told of alarms: set alarm_emails."] : [],
    var.signup == "open" ? [
      "- Register the first user, and a workspace: POST ${local.origins[0]}/api/v1/users (docs/identity.md).",
      "- Then close it again: signup = \"invite\", and scripts/deploy.",
    ] : [],
    ["- See that it is well: curl ${local.origins[0]}/api/v1/health"],
    ["- In a new deployment the alarm ledger-unverified rings until the ledger is verified for the first time, within the hour."],
    var.without_domain ? ["- This is to try it. Links keep the name ${local.origins[0]}: set domains before you hand any out."] : [],
  ))
}
