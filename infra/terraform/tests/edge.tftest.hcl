# What stands before the API.

mock_provider "aws" {
  source = "./tests/aws"
}

mock_provider "aws" {
  alias  = "us_east_1"
  source = "./tests/us-east-1"
}

variables {
  name                       = "signpost"
  origin_secret              = "a secret"
  waf_requests_per_5_minutes = 2000
  api = {
    id       = "abcde12345"
    endpoint = "https://abcde12345.execute-api.eu-west-1.amazonaws.com"
    stage    = "$default"
  }
}

run "domains" {
  command = apply

  module {
    source = "./modules/edge"
  }

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  assert {
    condition     = toset(keys(aws_cloudfront_distribution.this)) == toset(["example.link", "go.example.com"])
    error_message = "Each domain has a distribution."
  }

  assert {
    condition     = alltrue([for name, distribution in aws_cloudfront_distribution.this : distribution.aliases == toset([name])])
    error_message = "A distribution answers for its own domain."
  }

  assert {
    condition     = toset(keys(aws_apigatewayv2_domain_name.this)) == toset(["example.link", "go.example.com"])
    error_message = "CloudFront forwards the viewer's host, so API Gateway must know it."
  }

  assert {
    condition = alltrue([for distribution in aws_cloudfront_distribution.this :
      distribution.viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021"
      && distribution.http_version == "http2and3"
      && distribution.is_ipv6_enabled
      && distribution.default_cache_behavior[0].viewer_protocol_policy == "redirect-to-https"
    ])
    error_message = "TLS 1.2 at least, HTTP/3, IPv6, and no plain HTTP."
  }

  assert {
    condition     = aws_cloudfront_distribution.this["go.example.com"].viewer_certificate[0].acm_certificate_arn == "arn:aws:acm:us-east-1:123456789012:certificate/made-here"
    error_message = "Where the zone is known, CloudFront's certificate is made, in us-east-1."
  }

  assert {
    condition     = aws_apigatewayv2_domain_name.this["go.example.com"].domain_name_configuration[0].certificate_arn == "arn:aws:acm:eu-west-1:123456789012:certificate/made-here"
    error_message = "API Gateway's certificate is of its own region."
  }

  assert {
    condition     = aws_cloudfront_distribution.this["example.link"].viewer_certificate[0].acm_certificate_arn == var.certificate_arn
    error_message = "Where DNS is elsewhere, the operator's certificate is taken."
  }

  assert {
    condition     = toset(keys(aws_route53_record.address)) == toset(["go.example.com A", "go.example.com AAAA"])
    error_message = "Records are made where the zone is known, and nowhere else."
  }

  assert {
    condition     = data.aws_cloudfront_cache_policy.disabled.name == "Managed-CachingDisabled" && alltrue([for distribution in aws_cloudfront_distribution.this : distribution.default_cache_behavior[0].cache_policy_id == data.aws_cloudfront_cache_policy.disabled.id])
    error_message = "No answer is cached: each redirect is counted."
  }

  assert {
    condition = alltrue([for distribution in aws_cloudfront_distribution.this :
      toset([for response in distribution.custom_error_response : response.error_code if response.error_caching_min_ttl == 0])
      == toset([400, 403, 404, 405, 414, 500, 501, 502, 503, 504])
    ])
    error_message = "No error is cached either, though CloudFront would."
  }

  assert {
    condition = aws_cloudfront_origin_request_policy.this.headers_config[0].header_behavior == "allViewerAndWhitelistCloudFront" && toset(one(aws_cloudfront_origin_request_policy.this.headers_config[0].headers).items) == toset([
      "CloudFront-Viewer-ASN", "CloudFront-Viewer-Address", "CloudFront-Viewer-City", "CloudFront-Viewer-Country", "CloudFront-Viewer-Country-Region",
    ])
    error_message = "The functions see the viewer's headers, where the viewer is, and in whose network."
  }

  assert {
    condition     = one(aws_cloudfront_origin_request_policy.this.cookies_config).cookie_behavior == "all"
    error_message = "Cookies are forwarded, so that CloudFront does not collapse two clicks into one."
  }

  assert {
    condition = alltrue([for distribution in aws_cloudfront_distribution.this :
      { for header in one(distribution.origin).custom_header : header.name => header.value } == { "x-origin-secret" = "a secret" }
    ])
    error_message = "CloudFront shows the functions that it is ours."
  }

  assert {
    condition     = length(aws_cloudfront_function.host) == 0
    error_message = "With domains the viewer's host goes through as it is."
  }

  assert {
    condition     = aws_wafv2_web_acl.this[0].scope == "CLOUDFRONT" && toset([for rule in aws_wafv2_web_acl.this[0].rule : rule.name]) == toset(["rate", "bad-addresses", "common"])
    error_message = "The firewall is CloudFront's, and has its three rules."
  }

  # A link is a URL in a body, and its query whatever the page behind it takes.
  assert {
    condition = length(setsubtract(
      ["EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "SizeRestrictions_BODY", "CrossSiteScripting_BODY",
      "GenericRFI_QUERYARGUMENTS", "RestrictedExtensions_QUERYARGUMENTS", "SizeRestrictions_QUERYSTRING"],
      flatten([for rule in aws_wafv2_web_acl.this[0].rule : [for override in rule.statement[0].managed_rule_group_statement[0].rule_action_override : override.name if length(override.action_to_use[0].count) == 1] if rule.name == "common"]),
    )) == 0
    error_message = "The firewall does not refuse links for being links."
  }

  assert {
    condition     = alltrue([for distribution in aws_cloudfront_distribution.this : distribution.web_acl_id == aws_wafv2_web_acl.this[0].arn])
    error_message = "The firewall stands before every distribution."
  }

  assert {
    condition     = alltrue([for distribution in aws_cloudfront_distribution.this : length(distribution.logging_config) == 0])
    error_message = "Nobody's address is logged."
  }
}

run "without_a_domain" {
  command = apply

  module {
    source = "./modules/edge"
  }

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  state_key = "without-a-domain"

  variables {
    domains                  = []
    certificate_arn          = null
    regional_certificate_arn = null
    waf                      = false
  }

  assert {
    condition     = output.host == "d111111abcdef8.cloudfront.net" && length(output.records) == 0
    error_message = "CloudFront's name is the service's, and there is nothing to enter anywhere."
  }

  assert {
    condition     = one(aws_cloudfront_distribution.this["cloudfront"].origin).domain_name == "abcde12345.execute-api.eu-west-1.amazonaws.com"
    error_message = "Without domains CloudFront asks the API under AWS's name."
  }

  assert {
    condition     = strcontains(aws_cloudfront_function.host[0].code, "hostHeader: 'abcde12345.execute-api.eu-west-1.amazonaws.com'")
    error_message = "API Gateway is asked by a name that it knows."
  }

  assert {
    condition     = length(aws_wafv2_web_acl.this) == 0 && length(aws_apigatewayv2_domain_name.this) == 0 && length(aws_acm_certificate.edge) == 0
    error_message = "Without domains and firewall there is nothing of them."
  }
}
