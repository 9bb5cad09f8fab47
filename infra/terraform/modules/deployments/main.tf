# CodeDeploy moves each function's alias to a new version in steps, and back when an alarm rings.
# Terraform only publishes versions; `scripts/deploy` starts the deployments.

variable "name" {
  description = "What names begin with."
  type        = string
}

variable "partition" {
  description = "The part of AWS, for the ARN of a policy of AWS's."
  type        = string
}

variable "functions" {
  description = "The functions, each with a deployment group of its own."
  type        = set(string)
}

variable "canary" {
  description = "How much of the traffic moves, and when."
  type = object({
    type    = string
    percent = number
    minutes = number
  })
}

variable "alarms" {
  description = "Names of the alarms that take a deployment back."
  type        = list(string)
}

resource "aws_iam_role" "this" {
  name        = "${var.name}-codedeploy"
  description = "Lets CodeDeploy move the aliases of ${var.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "codedeploy.amazonaws.com" }
    }]
  })
}

# AWS's own policy for it. It moves aliases and reads alarms; the other one may also call functions.
resource "aws_iam_role_policy_attachment" "this" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:${var.partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited"
}

resource "aws_codedeploy_app" "this" {
  name             = var.name
  compute_platform = "Lambda"
}

resource "aws_codedeploy_deployment_config" "this" {
  # A configuration cannot be changed, only made anew, and not under the name of the old one.
  deployment_config_name = "${var.name}-${var.canary.type}-${var.canary.percent}-percent-${var.canary.minutes}-minutes"
  compute_platform       = "Lambda"

  traffic_routing_config {
    type = var.canary.type == "linear" ? "TimeBasedLinear" : "TimeBasedCanary"

    dynamic "time_based_canary" {
      for_each = var.canary.type == "canary" ? [var.canary] : []

      content {
        percentage = time_based_canary.value.percent
        interval   = time_based_canary.value.minutes
      }
    }

    dynamic "time_based_linear" {
      for_each = var.canary.type == "linear" ? [var.canary] : []

      content {
        percentage = time_based_linear.value.percent
        interval   = time_based_linear.value.minutes
      }
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_codedeploy_deployment_group" "this" {
  for_each = var.functions

  app_name               = aws_codedeploy_app.this.name
  deployment_group_name  = each.key
  service_role_arn       = aws_iam_role.this.arn
  deployment_config_name = aws_codedeploy_deployment_config.this.deployment_config_name

  deployment_style {
    deployment_type   = "BLUE_GREEN"
    deployment_option = "WITH_TRAFFIC_CONTROL"
  }

  alarm_configuration {
    enabled = true
    alarms  = var.alarms
    # Without the state of the alarms a bad version would not be noticed: rather stop.
    ignore_poll_alarm_failure = false
  }

  auto_rollback_configuration {
    enabled = true
    events  = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]
  }

  # A deployment that may not do what it has to fails halfway.
  depends_on = [aws_iam_role_policy_attachment.this]
}

output "application" {
  description = "CodeDeploy's name of the application."
  value       = aws_codedeploy_app.this.name
}

output "groups" {
  description = "The deployment group of each function, with the alarms that take a deployment back."
  value = { for name, group in aws_codedeploy_deployment_group.this : name => {
    name   = group.deployment_group_name
    config = group.deployment_config_name
    alarms = one(group.alarm_configuration).alarms
  } }
}
