# Signpost in AWS, from the outside in. What is deployed is listed elsewhere, once: the routes in
# openapi.yaml, the triggers in workers.yaml, what each function is given in its function.yaml.
# `contract.tf` reads these, `settings.tf` says what the functions find in their environment.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  tags = merge({ Application = var.name }, var.tags)

  # Names of buckets are the whole world's.
  bucket_suffix = "${data.aws_caller_identity.this.account_id}-${var.region}"
}

# --- What is kept ----------------------------------------------------------------------------------

module "data" {
  source = "./modules/data"

  name                = var.name
  bucket              = "${var.name}-raw-clicks-${local.bucket_suffix}"
  lake_retention_days = var.lake_retention_days
  recovery_days       = var.recovery_days
  deletion_protection = var.deletion_protection
  # Emulators speak HTTP, and refuse what a policy refuses.
  tls_only = !var.local
}

module "queues" {
  source = "./modules/queues"

  name   = var.name
  queues = local.queues
  # Emulators speak HTTP, and refuse what a policy refuses.
  tls_only = !var.local
}

module "tokens" {
  source = "./modules/tokens"

  name       = var.name
  keys       = var.token_keys
  retired    = var.retired_token_keys
  account_id = data.aws_caller_identity.this.account_id
  partition  = data.aws_partition.this.partition
  # A deleted key cannot be told from a lost one: the longest time to notice, where it matters.
  deletion_days = var.local ? 7 : 30
}

# The emulator has neither.
module "analytics" {
  source = "./modules/analytics"
  count  = var.local ? 0 : 1

  name                = var.name
  bucket              = module.data.bucket.name
  deletion_protection = var.deletion_protection
  query_limit_gb      = var.query_limit_gb
}

# --- What runs -------------------------------------------------------------------------------------

module "packages" {
  source = "./modules/packages"

  bucket    = "${var.name}-packages-${local.bucket_suffix}"
  folder    = var.packages
  functions = keys(local.functions)
}

module "function" {
  source   = "./modules/function"
  for_each = local.functions

  name               = "${var.name}-${each.key}"
  package            = module.packages.packages[each.key]
  architecture       = local.architecture
  memory_mb          = each.value.memory_mb
  timeout_seconds    = each.value.timeout_seconds
  environment        = local.environments[each.key]
  permissions        = local.permissions[each.key]
  log_retention_days = var.log_retention_days
  tracing            = contains(local.traced, each.key)
  staged             = local.staged
}

# --- What starts it --------------------------------------------------------------------------------

module "api" {
  source = "./modules/api"

  name               = var.name
  routes             = local.routes
  default_function   = local.default_function
  authorizer         = local.authorizer
  functions          = module.function
  throttle           = var.throttle
  own_endpoint       = var.local || var.without_domain
  log_retention_days = var.log_retention_days
  # Emulators give the API this id, so that its address is known.
  tags = var.local ? { "ms-custom-id" = "51900057" } : {}
}

# Without a module of its own: Terraform has no random text, and these stay as they were made.
resource "terraform_data" "origin_secret" {
  for_each = toset(local.has_edge ? var.origin_secrets : [])

  input = "${uuid()}${uuid()}"

  lifecycle {
    ignore_changes = [input]
  }
}

module "edge" {
  source = "./modules/edge"
  count  = local.has_edge ? 1 : 0

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  name                     = var.name
  domains                  = var.domains
  certificate_arn          = var.certificate_arn
  regional_certificate_arn = var.regional_certificate_arn
  # One by one: the whole module would be its routes too, and these wait for the functions, which wait
  # for CloudFront's name.
  api                        = { id = module.api.id, endpoint = module.api.endpoint, stage = module.api.stage }
  origin_secret              = local.origin_secret
  waf                        = var.waf
  waf_requests_per_5_minutes = var.waf_requests_per_5_minutes
}

module "workers" {
  source = "./modules/workers"

  name       = var.name
  workers    = local.workers
  queue_arns = { for name, queue in module.queues.queues : name => queue.arn }
  functions  = module.function
}

# --- Who looks after it ----------------------------------------------------------------------------

module "observability" {
  source = "./modules/observability"

  name            = var.name
  region          = var.region
  account_id      = data.aws_caller_identity.this.account_id
  access_log      = module.api.access_log
  api_id          = module.api.id
  redirect_routes = sort([for key, route in local.routes : key if route.function == "redirect"])
  queues = {
    clicks = module.queues.queues["clicks"].name
    dead   = { for name in module.queues.dead : name => module.queues.queues[name].name }
  }
  tables    = [for table in module.data.tables : table.name]
  functions = { for name, function in module.function : name => function.name }
  emails    = var.alarm_emails
}

module "deployments" {
  source = "./modules/deployments"
  count  = local.staged ? 1 : 0

  name      = var.name
  partition = data.aws_partition.this.partition
  functions = keys(local.functions)
  canary    = var.canary
  # Those that a bad version can make ring. The others ring about what was there before it; and
  # `redirect-slow`, which needs a quarter of an hour, rings on where few redirects follow.
  alarms = [for key in ["redirect-unavailable", "api-failing", "clicks-dead", "clicks-not-sent", "functions-throttled", "ledger-differs"] :
    module.observability.alarms[key]
  ]
}

# Of the whole account: costs by tag are known a day later, and only where the tag was activated.
resource "aws_budgets_budget" "this" {
  count = var.budget_usd != null && !var.local ? 1 : 0

  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  dynamic "notification" {
    for_each = ["FORECASTED", "ACTUAL"]

    content {
      notification_type          = notification.value
      comparison_operator        = "GREATER_THAN"
      threshold                  = 100
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = var.alarm_emails
    }
  }
}
