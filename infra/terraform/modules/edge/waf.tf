# The firewall, where the operator wants one. It stands before CloudFront and so before every cost
# behind it. Nothing of it is logged: its log would hold addresses of people.

locals {
  # Rules of AWS's common set that only count here. A link is a URL in a JSON body, in a query where
  # it is passed on, and longer than these rules think is decent; and programs that follow links need
  # not say who they are.
  counted = [
    "CrossSiteScripting_BODY",
    "EC2MetaDataSSRF_BODY",
    "EC2MetaDataSSRF_QUERYARGUMENTS",
    "GenericLFI_BODY",
    "GenericLFI_QUERYARGUMENTS",
    "GenericRFI_BODY",
    "GenericRFI_QUERYARGUMENTS",
    "NoUserAgent_HEADER",
    # Words that end like names of files: the query of a link is whatever its page takes.
    "RestrictedExtensions_QUERYARGUMENTS",
    "SizeRestrictions_BODY",
    "SizeRestrictions_QUERYSTRING",
  ]
}

resource "aws_wafv2_web_acl" "this" {
  #checkov:skip=CKV_AWS_192:no Java is behind it
  #checkov:skip=CKV2_AWS_31:its log would keep network addresses of people
  count    = var.waf ? 1 : 0
  provider = aws.us_east_1

  name        = var.name
  description = "Before the distributions of ${var.name}"
  scope       = "CLOUDFRONT"

  default_action {
    allow {}
  }

  # First, so that a flood is not looked at any closer.
  rule {
    name     = "rate"
    priority = 0

    action {
      block {}
    }

    statement {
      rate_based_statement {
        limit                 = var.waf_requests_per_5_minutes
        evaluation_window_sec = 300
        aggregate_key_type    = "IP"
      }
    }

    visibility_config {
      metric_name                = "rate"
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = false
    }
  }

  rule {
    name     = "bad-addresses"
    priority = 1

    override_action {
      none {}
    }

    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesAmazonIpReputationList"
      }
    }

    visibility_config {
      metric_name                = "bad-addresses"
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = false
    }
  }

  rule {
    name     = "common"
    priority = 2

    override_action {
      none {}
    }

    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesCommonRuleSet"

        dynamic "rule_action_override" {
          for_each = local.counted

          content {
            name = rule_action_override.value

            action_to_use {
              count {}
            }
          }
        }
      }
    }

    visibility_config {
      metric_name                = "common"
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = false
    }
  }

  visibility_config {
    metric_name                = var.name
    cloudwatch_metrics_enabled = true
    sampled_requests_enabled   = false
  }

  # When it goes, the distributions have to let go of it first: AWS deletes none that is in use.
  lifecycle {
    create_before_destroy = true
  }
}
