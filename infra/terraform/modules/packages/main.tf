# The zips of the functions, in a bucket of their own.

variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "folder" {
  description = "Where `scripts/package` has put the zips."
  type        = string
}

variable "functions" {
  description = "Whose packages there have to be."
  type        = set(string)
}

locals {
  zips = { for name in var.functions : name => "${var.folder}/${name}.zip" }
  # A missing zip is told below, by name, and not as an error of a hash.
  hashes = { for name, zip in local.zips : name => fileexists(zip) ? filesha256(zip) : "" }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:the only ones who read it are Lambda and this configuration; CloudTrail has them
  #checkov:skip=CKV_AWS_21:an object is named by the hash of what is in it, and never overwritten
  #checkov:skip=CKV_AWS_144:what is lost is built again from the same commit
  #checkov:skip=CKV_AWS_145:S3 encrypts with its own key; one of ours is paid for by the month
  #checkov:skip=CKV2_AWS_62:nobody waits for a package
  #checkov:skip=CKV2_AWS_61:an old package goes when the next one comes
  bucket = var.bucket
  # Built from the repository, and copied by Lambda: worth nothing once the functions are gone.
  force_destroy = true
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  # S3 refuses two changes of who may read a bucket at the same time.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_object" "this" {
  for_each = local.zips

  bucket = aws_s3_bucket.this.id
  # By its hash: the same package is the same object, and a new one is put beside the old one.
  key         = "${each.key}/${local.hashes[each.key]}.zip"
  source      = each.value
  source_hash = local.hashes[each.key]

  # Tags are for the bucket: those of an object would be a call each, and emulators forget them.
  override_provider {
    default_tags {
      tags = {}
    }
  }

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = local.hashes[each.key] != ""
      error_message = "There is no package ${each.value}: run scripts/package first, or say by -var packages=… where the zips are."
    }
  }
}

output "packages" {
  description = "Where each function's package is, and the hash of what is in it."
  value = { for name, object in aws_s3_object.this : name => {
    bucket = object.bucket
    key    = object.key
    hash   = local.hashes[name] == "" ? "" : filebase64sha256(local.zips[name])
  } }
}
