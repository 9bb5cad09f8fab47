# One function: its package, its own role, its own log, and the alias that everybody calls.

locals {
  # What every function is: its log is its own, and so are its traces.
  basics = concat(
    [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
    }],
    # X-Ray has no resources to name.
    var.tracing ? [{
      Effect   = "Allow"
      Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      Resource = ["*"]
    }] : [],
  )
  granted = [for one in var.permissions : merge(
    {
      Effect   = "Allow"
      Action   = one.actions
      Resource = one.resources
    },
    # Where there is a prefix at all: whether an object that is asked for is missing or forbidden AWS
    # says only to those who may list, and that question has no prefix.
    length(one.prefixes) == 0 ? {} : { Condition = { StringLikeIfExists = { "s3:prefix" = one.prefixes } } },
  )]
}

# Made here and not by Lambda at the first call: that one would be kept for ever.
resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts logs with its own key; one of ours is paid for by the month, and the logs hold no secret and no person
  #checkov:skip=CKV_AWS_338:how long logs are kept is the operator's to decide; the record of who did what is the audit log in DynamoDB
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "this" {
  name        = var.name
  description = "What the function ${var.name} may do"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

# In the role and not beside it: no other role can be given it by mistake, and it goes with the role.
resource "aws_iam_role_policy" "this" {
  name   = "function"
  role   = aws_iam_role.this.id
  policy = jsonencode({ Version = "2012-10-17", Statement = concat(local.basics, local.granted) })
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_115:reserved concurrency is taken from the account's for good; floods are bounded by the gateway's throttle and by the event source's maximum concurrency
  #checkov:skip=CKV_AWS_116:requests are answered, queues have their own dead-letter queue, and a schedule that fails comes again and has an alarm
  #checkov:skip=CKV_AWS_117:it calls AWS's APIs and identity providers only; a VPC adds a NAT gateway that costs when idle
  #checkov:skip=CKV_AWS_173:Lambda encrypts the environment with its own key; a key of ours is paid for by the month
  #checkov:skip=CKV_AWS_272:packages come from a bucket that only this configuration writes, by the hash of their content
  #checkov:skip=CKV_AWS_50:whose calls are traced is the operator's to decide; on the path of clicks it costs half as much as all else together
  function_name = var.name
  role          = aws_iam_role.this.arn

  runtime       = "provided.al2023"
  architectures = [var.architecture]
  handler       = "bootstrap"

  # By S3 and not as a file: Terraform then uploads all packages at once, and a plan needs no zip in
  # its state.
  s3_bucket        = var.package.bucket
  s3_key           = var.package.key
  source_code_hash = var.package.hash

  memory_size = var.memory_mb
  timeout     = var.timeout_seconds

  # Each change is a version that stays as it is: code, environment and size. The alias names one.
  publish = true

  environment {
    variables = var.environment
  }

  logging_config {
    # The functions write JSON themselves; Lambda's own lines around it stay as they are.
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = var.tracing ? "Active" : "PassThrough"
  }

  # A function that starts before it may write its log is a riddle.
  depends_on = [aws_iam_role_policy.this]
}

# What the gateway, the queues and the schedules call: never a version, never the newest code as such.
resource "aws_lambda_alias" "following" {
  count = var.staged ? 0 : 1

  name             = "live"
  description      = "The version that is called: the newest one"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_lambda_alias" "staged" {
  count = var.staged ? 1 : 0

  name             = "live"
  description      = "The version that is called: CodeDeploy moves it"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version

  lifecycle {
    # The first version comes from here; the next ones by CodeDeploy, in steps, and back if they fail.
    ignore_changes = [function_version, routing_config]
  }
}

locals {
  alias = one(concat(aws_lambda_alias.following, aws_lambda_alias.staged))
}
