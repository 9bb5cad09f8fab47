# The queues of workers.yaml. Each that names a dead-letter queue has what nobody could handle moved
# there.

variable "name" {
  description = "What names begin with."
  type        = string
}

variable "queues" {
  description = "The part `queues` of workers.yaml."
  type = map(object({
    visibility_timeout_seconds = number
    receive_wait_seconds       = number
    message_retention_seconds  = number
    max_receive_count          = optional(number)
    dead_letter_queue          = optional(string)
  }))
}

variable "tls_only" {
  description = "Whether calls without TLS are refused."
  type        = bool
}

locals {
  # Dead-letter queue → the queue that fills it.
  sources = { for name, queue in var.queues : queue.dead_letter_queue => name if queue.dead_letter_queue != null }
}

resource "aws_sqs_queue" "this" {
  for_each = var.queues

  name                       = "${var.name}-${each.key}"
  visibility_timeout_seconds = each.value.visibility_timeout_seconds
  receive_wait_time_seconds  = each.value.receive_wait_seconds
  message_retention_seconds  = each.value.message_retention_seconds
  # Encrypted by SQS itself: nothing to pay, and nothing to allow.
  sqs_managed_sse_enabled = true
}

resource "aws_sqs_queue_redrive_policy" "this" {
  for_each = { for name, queue in var.queues : name => queue if queue.dead_letter_queue != null }

  queue_url = aws_sqs_queue.this[each.key].id
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.this[each.value.dead_letter_queue].arn
    maxReceiveCount     = each.value.max_receive_count
  })
}

# Only its own queue may fill a dead-letter queue.
resource "aws_sqs_queue_redrive_allow_policy" "this" {
  for_each = local.sources

  queue_url = aws_sqs_queue.this[each.key].id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.this[each.value].arn]
  })
}

# Who may send and receive is in the roles of the functions; this only refuses what comes in clear.
resource "aws_sqs_queue_policy" "this" {
  for_each = var.tls_only ? var.queues : {}

  queue_url = aws_sqs_queue.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.this[each.key].arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

output "dead" {
  description = "The queues of those that nobody could handle, by their names in workers.yaml."
  value       = sort(keys(local.sources))
}

output "queues" {
  description = "Name, URL and ARN of each queue, by its name in workers.yaml."
  value = { for name, queue in aws_sqs_queue.this : name => {
    name = queue.name
    url  = queue.id
    arn  = queue.arn
  } }
}
