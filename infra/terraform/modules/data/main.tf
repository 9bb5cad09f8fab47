# What is kept: three tables, that of the salts beside them, and the bucket of clicks.

variable "name" {
  description = "What names begin with."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket of clicks: raw, compacted, and what Athena answers."
  type        = string
}

variable "lake_retention_days" {
  description = "How long an hour's compacted clicks are kept after they were written last; null: for ever."
  type        = number
}

variable "recovery_days" {
  description = "How long rows and objects can be had back that were deleted or overwritten."
  type        = number
}

variable "deletion_protection" {
  description = "Whether nobody can delete a table, or the bucket while there are clicks in it."
  type        = bool
}

variable "tls_only" {
  description = "Whether calls without TLS are refused."
  type        = bool
}

locals {
  # Keys and index as shared/store/src/schema.rs has them; a test compares the two.
  tables = {
    links    = { indexed = true }
    clicks   = { indexed = false }
    accounts = { indexed = false }
  }
}

resource "aws_dynamodb_table" "this" {
  #checkov:skip=CKV_AWS_119:DynamoDB encrypts with its own key; one of ours is paid for by the month and by each call
  #checkov:skip=CKV2_AWS_16:on demand there is no capacity to scale
  for_each = local.tables

  name = "${var.name}-${each.key}"
  # Nothing when idle, and no capacity to plan for a link that everybody follows at once.
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection

  hash_key  = "pk"
  range_key = "sk"

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  dynamic "attribute" {
    for_each = each.value.indexed ? ["slug_of", "slug"] : []

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = each.value.indexed ? ["by-slug"] : []

    content {
      name      = global_secondary_index.value
      hash_key  = "slug_of"
      range_key = "slug"
      # A list reads the links themselves; all that it needs from here is which ones.
      projection_type    = "INCLUDE"
      non_key_attributes = ["link_id"]
    }
  }

  ttl {
    enabled        = true
    attribute_name = "expires"
  }

  # Encrypted with DynamoDB's own key, as every table is that does not ask for another one.

  # To the second. The clicks too: a count that cannot be recounted is only a claim.
  point_in_time_recovery {
    enabled                 = true
    recovery_period_in_days = var.recovery_days
  }
}

# A day's salt, by which visitors are told from each other. Apart from the other tables, because what
# is deleted here must be gone: with the salt of an old day, whoever knows an address and a user agent
# could find their clicks.
resource "aws_dynamodb_table" "salts" {
  #checkov:skip=CKV_AWS_28:a copy of a salt would be what its deletion is to prevent
  #checkov:skip=CKV_AWS_119:DynamoDB encrypts with its own key; one of ours is paid for by the month and by each call
  #checkov:skip=CKV2_AWS_16:on demand there is no capacity to scale
  name                        = "${var.name}-salts"
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = var.deletion_protection

  hash_key = "pk"

  attribute {
    name = "pk"
    type = "S"
  }

  # `rotate-salts` deletes them; this is for the day on which it does not run.
  ttl {
    enabled        = true
    attribute_name = "expires"
  }

  point_in_time_recovery {
    enabled = false
  }
}

resource "aws_s3_bucket" "raw" {
  #checkov:skip=CKV_AWS_18:only three functions may read and write; an access log would keep network addresses of people
  #checkov:skip=CKV_AWS_144:a copy in another region is the operator's to decide; the counts are in DynamoDB
  #checkov:skip=CKV_AWS_145:S3 encrypts with its own key; one of ours is paid for by the month and by each object
  #checkov:skip=CKV2_AWS_62:nothing waits for an object
  bucket        = var.bucket
  force_destroy = !var.deletion_protection
}

resource "aws_s3_bucket_public_access_block" "raw" {
  bucket                  = aws_s3_bucket.raw.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# No access lists: who owns the bucket owns what is in it.
resource "aws_s3_bucket_ownership_controls" "raw" {
  bucket = aws_s3_bucket.raw.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "raw" {
  bucket = aws_s3_bucket.raw.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

# For the day on which somebody deletes the wrong folder, or a new version of the compaction writes
# nonsense. Functions may not read versions, and what was purged is in them for `recovery_days` at most,
# as it is in the tables' backup.
resource "aws_s3_bucket_versioning" "raw" {
  bucket = aws_s3_bucket.raw.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "raw" {
  bucket = aws_s3_bucket.raw.id

  rule {
    id     = "leftovers"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    # A mark of something deleted, of which no version is left any more.
    expiration {
      expired_object_delete_marker = true
    }

    noncurrent_version_expiration {
      noncurrent_days = var.recovery_days
    }
  }

  # Nothing here lets a raw click expire: what is not compacted yet is nowhere else in the lake, and
  # compaction deletes what it has written elsewhere. These are the many small objects that it deleted;
  # what was in them is in an hour's object, whose versions are kept for longer.
  rule {
    id     = "compacted"
    status = "Enabled"

    filter {
      prefix = "raw/"
    }

    noncurrent_version_expiration {
      noncurrent_days = min(7, var.recovery_days)
    }
  }

  # What Athena answered. A purge does not look for clicks here, so they must not stay.
  rule {
    id     = "answers"
    status = "Enabled"

    filter {
      prefix = "athena/"
    }

    expiration {
      days = min(7, var.recovery_days)
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  dynamic "rule" {
    for_each = var.lake_retention_days == null ? [] : [var.lake_retention_days]

    content {
      id     = "retention"
      status = "Enabled"

      filter {
        prefix = "clicks/"
      }

      expiration {
        days = rule.value
      }
    }
  }

  # A rule for older versions means nothing before there are any.
  depends_on = [aws_s3_bucket_versioning.raw]
}

resource "aws_s3_bucket_policy" "raw" {
  count = var.tls_only ? 1 : 0

  bucket = aws_s3_bucket.raw.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.raw.arn, "${aws_s3_bucket.raw.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  # S3 refuses two changes of who may read a bucket at the same time.
  depends_on = [aws_s3_bucket_public_access_block.raw]
}

output "tables" {
  description = "Name and ARN of each table."
  value = { for key, table in merge(aws_dynamodb_table.this, { salts = aws_dynamodb_table.salts }) : key => {
    name = table.name
    arn  = table.arn
  } }
}

output "index_arn" {
  description = "The index by-slug of the links table."
  value       = "${aws_dynamodb_table.this["links"].arn}/index/by-slug"
}

output "bucket" {
  description = "Name and ARN of the bucket of clicks."
  value = {
    name = aws_s3_bucket.raw.bucket
    arn  = aws_s3_bucket.raw.arn
  }
}
