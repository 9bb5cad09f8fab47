# The keys that sign access tokens. A private key never leaves KMS.

variable "name" {
  description = "What names begin with."
  type        = string
}

variable "keys" {
  description = "Names of the keys. The first one signs, all are believed."
  type        = list(string)
}

variable "retired" {
  description = "Names of keys that may still be asked for, but that no new version believes."
  type        = list(string)
}

variable "account_id" {
  description = "The account, whose IAM policies say who may use the keys."
  type        = string
}

variable "partition" {
  description = "The part of AWS: `aws`, or that of China or of a government."
  type        = string
}

variable "deletion_days" {
  description = "How long a deleted key can be had back."
  type        = number
}

resource "aws_kms_key" "this" {
  #checkov:skip=CKV_AWS_7:KMS cannot rotate asymmetric keys; docs/identity.md says how they are rotated
  for_each = toset(concat(var.keys, var.retired))

  description              = "${var.name}: signs access tokens (${each.key})"
  customer_master_key_spec = "ECC_NIST_P256"
  key_usage                = "SIGN_VERIFY"
  deletion_window_in_days  = var.deletion_days

  # As KMS would make it: IAM decides, that is the roles of the functions in `function.yaml`.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "IamDecides"
      Effect    = "Allow"
      Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

output "arns" {
  description = "The keys, for policies."
  value       = [for name in concat(var.keys, var.retired) : aws_kms_key.this[name].arn]
}

output "setting" {
  description = "The value of TOKEN_KEYS."
  value       = join(",", [for name in var.keys : "kms:${aws_kms_key.this[name].key_id}"])
}
