# What this needs: Terraform and the AWS provider, and nothing else.

terraform {
  # Tests that mock a provider in the plan, and S3 state with native locking.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region

  # An emulator has no accounts to check keys against, and no names of buckets in its host name.
  skip_credentials_validation = var.local
  skip_metadata_api_check     = var.local
  s3_use_path_style           = var.local

  default_tags {
    tags = local.tags
  }
}

# CloudFront takes its certificates and its firewall from this region only, wherever the rest is.
provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"

  skip_credentials_validation = var.local
  skip_metadata_api_check     = var.local
  s3_use_path_style           = var.local

  default_tags {
    tags = local.tags
  }
}
