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
  raw_retention_days  = var.raw_retention_days
  deletion_protection = var.deletion_protection
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
  account_id = data.aws_caller_identity.this.account_id
  partition  = data.aws_partition.this.partition
  # A deleted key cannot be told from a lost one: the longest time to notice, where it matters.
  deletion_days = var.local ? 7 : 30
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
  tracing            = var.tracing
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

module "workers" {
  source = "./modules/workers"

  name       = var.name
  workers    = local.workers
  queue_arns = { for name, queue in module.queues.queues : name => queue.arn }
  functions  = module.function
}
