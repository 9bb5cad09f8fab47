# The compacted clicks as a table that Athena can ask: what it is called, what its columns are, and what
# a question may cost. docs/analytics.md has ten of them.

variable "name" {
  description = "What names begin with."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket of clicks."
  type        = string
}

variable "deletion_protection" {
  description = "Whether the workgroup stays as long as it knows queries of the past."
  type        = bool
}

variable "query_limit_gb" {
  description = "How much a query may read."
  type        = number
}

locals {
  # Hyphens would have to be quoted in each query.
  database = replace(var.name, "-", "_")

  # As shared/archive writes them, in its order, which is that of `SELECT *`; a test compares the two.
  columns = [
    ["id", "string"],
    ["at", "timestamp"],
    ["workspace", "string"],
    ["link", "string"],
    ["domain", "string"],
    ["slug", "string"],
    ["shard", "int"],
    ["method", "string"],
    ["status", "int"],
    ["destination", "string"],
    ["referrer", "string"],
    ["referrer_url", "string"],
    ["user_agent", "string"],
    ["browser", "string"],
    ["os", "string"],
    ["device", "string"],
    ["bot", "string"],
    ["bot_why", "string"],
    ["purpose", "string"],
    ["language", "string"],
    ["country", "string"],
    ["region", "string"],
    ["city", "string"],
    ["network", "bigint"],
    ["utm_source", "string"],
    ["utm_medium", "string"],
    ["utm_campaign", "string"],
    ["utm_term", "string"],
    ["utm_content", "string"],
    ["asked_utm_source", "string"],
    ["asked_utm_medium", "string"],
    ["asked_utm_campaign", "string"],
    ["asked_utm_term", "string"],
    ["asked_utm_content", "string"],
    ["visitor", "string"],
  ]

  # Of the click, in UTC: nobody has to tell Glue of an hour, since the names follow from the clock.
  projection = {
    "projection.enabled"          = "true"
    "projection.dt.type"          = "date"
    "projection.dt.format"        = "yyyy-MM-dd"
    "projection.dt.interval"      = "1"
    "projection.dt.interval.unit" = "DAYS"
    # No link was followed before.
    "projection.dt.range"  = "2026-11-01,NOW"
    "projection.hr.type"   = "integer"
    "projection.hr.digits" = "2"
    "projection.hr.range"  = "0,23"
    # `$$` because these braces are Glue's, not Terraform's.
    "storage.location.template" = "${local.location}dt=$${dt}/hr=$${hr}/"
  }

  location = "s3://${var.bucket}/clicks/"
}

resource "aws_glue_catalog_database" "this" {
  name        = local.database
  description = "Clicks of ${var.name}"
}

resource "aws_glue_catalog_table" "clicks" {
  name          = "clicks"
  database_name = aws_glue_catalog_database.this.name
  description   = "One row for each click, an object for each hour"
  table_type    = "EXTERNAL_TABLE"

  parameters = merge(local.projection, {
    EXTERNAL       = "TRUE"
    classification = "parquet"
  })

  partition_keys {
    name    = "dt"
    type    = "string"
    comment = "Day of the click in UTC, such as 2026-11-23"
  }

  partition_keys {
    name    = "hr"
    type    = "string"
    comment = "Its hour, 00 to 23"
  }

  storage_descriptor {
    location      = local.location
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      # By name: a column that a later version adds is empty in older objects.
      parameters = { "parquet.column.index.access" = "false" }
    }

    dynamic "columns" {
      for_each = local.columns

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }
  }
}

resource "aws_athena_workgroup" "this" {
  name          = var.name
  description   = "Questions to the clicks of ${var.name}"
  force_destroy = !var.deletion_protection

  configuration {
    # Whoever asks cannot put the answers elsewhere, or lift the limit.
    enforce_workgroup_configuration = true
    # A query that reads more than this is stopped; what it has read until then is paid for.
    bytes_scanned_cutoff_per_query     = var.query_limit_gb * 1000 * 1000 * 1000
    publish_cloudwatch_metrics_enabled = false

    result_configuration {
      # Goes after some days: a lifecycle of the bucket.
      output_location = "s3://${var.bucket}/athena/"

      encryption_configuration {
        encryption_option = "SSE_S3"
      }
    }
  }
}

output "names" {
  description = "Where the clicks are, as a query names it."
  value = {
    database  = aws_glue_catalog_database.this.name
    table     = aws_glue_catalog_table.clicks.name
    workgroup = aws_athena_workgroup.this.name
  }
}
