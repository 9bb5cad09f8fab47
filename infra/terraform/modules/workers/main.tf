# What starts the functions that no route starts: the triggers of workers.yaml.

variable "name" {
  description = "What names begin with."
  type        = string
}

variable "workers" {
  description = "The part `workers` of workers.yaml: each has a queue, or a schedule."
  type = map(object({
    queue                      = optional(string)
    batch_size                 = optional(number)
    batching_window_seconds    = optional(number)
    maximum_concurrency        = optional(number)
    report_batch_item_failures = optional(bool)
    schedule                   = optional(string)
    timeout_seconds            = number
  }))

  validation {
    condition     = alltrue([for worker in var.workers : (worker.queue == null) != (worker.schedule == null)])
    error_message = "A worker in workers.yaml has either `queue` or `schedule`."
  }
}

variable "queue_arns" {
  description = "The queues, by their name in workers.yaml."
  type        = map(string)
}

variable "functions" {
  description = "Name, alias and address of each worker."
  type = map(object({
    name      = string
    alias     = string
    alias_arn = string
  }))
}

locals {
  of_queues    = { for name, worker in var.workers : name => worker if worker.queue != null }
  of_schedules = { for name, worker in var.workers : name => worker if worker.schedule != null }
}

resource "aws_lambda_event_source_mapping" "this" {
  for_each = local.of_queues

  event_source_arn                   = var.queue_arns[each.value.queue]
  function_name                      = var.functions[each.key].alias_arn
  batch_size                         = each.value.batch_size
  maximum_batching_window_in_seconds = each.value.batching_window_seconds
  # Without it Lambda takes the messages that the function reports as failed for done.
  function_response_types = each.value.report_batch_item_failures == true ? ["ReportBatchItemFailures"] : []

  dynamic "scaling_config" {
    for_each = each.value.maximum_concurrency == null ? [] : [each.value.maximum_concurrency]

    content {
      maximum_concurrency = scaling_config.value
    }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.of_schedules

  name                = "${var.name}-${each.key}"
  description         = "Starts ${each.key}"
  schedule_expression = each.value.schedule
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.of_schedules

  rule = aws_cloudwatch_event_rule.this[each.key].name
  arn  = var.functions[each.key].alias_arn

  # What may not be called when its time has come is not called later either.
  depends_on = [aws_lambda_permission.schedule]
}

resource "aws_lambda_permission" "schedule" {
  for_each = local.of_schedules

  statement_id  = "schedule"
  action        = "lambda:InvokeFunction"
  function_name = var.functions[each.key].name
  qualifier     = var.functions[each.key].alias
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this[each.key].arn
}

# A schedule calls without waiting for the answer: Lambda keeps the event, and repeats what failed.
resource "aws_lambda_function_event_invoke_config" "this" {
  for_each = local.of_schedules

  function_name          = var.functions[each.key].name
  qualifier              = var.functions[each.key].alias
  maximum_retry_attempts = 2
  # Six hours, the most there is. Named because some emulators report another default.
  maximum_event_age_in_seconds = 21600
}
