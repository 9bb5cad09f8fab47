# CloudFront, before everything: TLS under the operator's domains, near to whoever asks.
#
# Each domain has a distribution of its own. It costs nothing, and each forwards the viewer's `Host`
# to the API Gateway domain of the same name: that is how a function knows under which domain a link
# was asked for. One distribution for all would need one origin that has all the names.

locals {
  domains = { for domain in var.domains : domain.name => domain }
  # Their certificates and records are made here; of the others the operator does it.
  zoned = { for name, domain in local.domains : name => domain.zone_id if domain.zone_id != null }

  # Without a domain there is one distribution, under a name that CloudFront gives it.
  distributions = length(var.domains) > 0 ? toset(keys(local.domains)) : toset(["cloudfront"])
  own_names     = length(var.domains) > 0
  endpoint      = trimprefix(var.api.endpoint, "https://")

  certificates = { for name in keys(local.domains) : name => contains(keys(local.zoned), name) ? {
    edge     = aws_acm_certificate_validation.edge[name].certificate_arn
    regional = aws_acm_certificate_validation.regional[name].certificate_arn
    } : {
    edge     = var.certificate_arn
    regional = var.regional_certificate_arn
  } }
}

data "aws_cloudfront_cache_policy" "disabled" {
  name = "Managed-CachingDisabled"
}

# All that the viewer sent, `Host` and `Authorization` with it, and what CloudFront knows of where
# they are. What a viewer sends under one of these five names is replaced by CloudFront's own.
resource "aws_cloudfront_origin_request_policy" "this" {
  name    = var.name
  comment = "Everything of the viewer's, and where CloudFront saw them"

  headers_config {
    header_behavior = "allViewerAndWhitelistCloudFront"

    headers {
      items = [
        "CloudFront-Viewer-ASN",
        "CloudFront-Viewer-Address",
        "CloudFront-Viewer-City",
        "CloudFront-Viewer-Country",
        "CloudFront-Viewer-Country-Region",
      ]
    }
  }

  # No function reads cookies but those of signing in. All the same, they have to be forwarded: where
  # they are not, CloudFront may answer several viewers who ask at the same moment with one answer of
  # ours, even one that is `no-store`, and only one click would be counted.
  cookies_config {
    cookie_behavior = "all"
  }

  query_strings_config {
    query_string_behavior = "all"
  }
}

# API Gateway answers only to names that it knows, and CloudFront's is not one of them. A policy that
# leaves out `Host` cannot add where the viewer is, and would believe whoever says so themselves.
resource "aws_cloudfront_function" "host" {
  count = local.own_names ? 0 : 1

  name    = "${var.name}-host"
  comment = "Asks API Gateway by the name that it has"
  runtime = "cloudfront-js-2.0"
  publish = true
  code    = <<-EOT
    import cf from 'cloudfront';

    function handler(event) {
      cf.updateRequestOrigin({ hostHeader: '${local.endpoint}', sni: '${local.endpoint}' });
      return event.request;
    }
  EOT
}

resource "aws_cloudfront_distribution" "this" {
  #checkov:skip=CKV_AWS_68:the firewall is an option that costs by the month; throttles and rate limits are always there
  #checkov:skip=CKV_AWS_86:its log would keep the network address of everybody who follows a link
  #checkov:skip=CKV_AWS_174:TLS 1.2 is the least wherever there is a certificate of one's own; under CloudFront's own name AWS decides
  #checkov:skip=CKV_AWS_305:the root path is answered by a function
  #checkov:skip=CKV_AWS_310:there is one API; another region is another deployment
  #checkov:skip=CKV_AWS_374:links are followed from everywhere
  #checkov:skip=CKV2_AWS_32:the functions set the security headers of each answer, which differ
  #checkov:skip=CKV2_AWS_42:CloudFront's own certificate is only for trying it out without a domain
  #checkov:skip=CKV2_AWS_47:no Java is behind it
  for_each = local.distributions

  comment         = "${var.name}: ${local.own_names ? each.key : "without a domain"}"
  enabled         = true
  aliases         = local.own_names ? [each.key] : []
  is_ipv6_enabled = true
  http_version    = "http2and3"
  # Everywhere: a short link is followed where its reader is.
  price_class = "PriceClass_All"
  web_acl_id  = one(aws_wafv2_web_acl.this[*].arn)

  origin {
    origin_id   = "api"
    domain_name = local.own_names ? aws_apigatewayv2_domain_name.this[each.key].domain_name_configuration[0].target_domain_name : local.endpoint

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
      # As long as the gateway waits for a function.
      origin_read_timeout = 30
      # Connections stay for the next request: a new one is a TLS handshake.
      origin_keepalive_timeout = 60
    }

    # Takes the place of a header of this name that a viewer sends.
    custom_header {
      name  = "x-origin-secret"
      value = var.origin_secret
    }
  }

  default_cache_behavior {
    target_origin_id       = "api"
    viewer_protocol_policy = "redirect-to-https"
    allowed_methods        = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods         = ["GET", "HEAD"]
    # Each redirect is counted, and an edit holds at once: no answer is kept here.
    cache_policy_id          = data.aws_cloudfront_cache_policy.disabled.id
    origin_request_policy_id = aws_cloudfront_origin_request_policy.this.id

    dynamic "function_association" {
      for_each = aws_cloudfront_function.host

      content {
        event_type   = "viewer-request"
        function_arn = function_association.value.arn
      }
    }
  }

  # CloudFront keeps errors for 10 seconds, whatever the cache policy says, and most of them whatever
  # `Cache-Control` says: the 403 of one caller would be the next one's, and a link that was just made
  # would still be missing.
  dynamic "custom_error_response" {
    for_each = [400, 403, 404, 405, 414, 500, 501, 502, 503, 504]

    content {
      error_code            = custom_error_response.value
      error_caching_min_ttl = 0
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = !local.own_names
    acm_certificate_arn            = local.own_names ? local.certificates[each.key].edge : null
    ssl_support_method             = local.own_names ? "sni-only" : null
    minimum_protocol_version       = local.own_names ? "TLSv1.2_2021" : "TLSv1"
  }
}

# --- The same names at API Gateway -----------------------------------------------------------------

resource "aws_apigatewayv2_domain_name" "this" {
  for_each = local.domains

  domain_name = each.key

  domain_name_configuration {
    certificate_arn = local.certificates[each.key].regional
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  for_each = local.domains

  api_id      = var.api.id
  domain_name = aws_apigatewayv2_domain_name.this[each.key].id
  stage       = var.api.stage
}

# --- Certificates and records, where the zone is in Route 53 ---------------------------------------

resource "aws_acm_certificate" "edge" {
  for_each = local.zoned
  provider = aws.us_east_1

  domain_name       = each.key
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_acm_certificate" "regional" {
  for_each = local.zoned

  domain_name       = each.key
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

# One record proves both: it depends on the name and the account, and not on the region.
resource "aws_route53_record" "validation" {
  for_each = local.zoned

  zone_id = each.value
  name    = one(aws_acm_certificate.edge[each.key].domain_validation_options).resource_record_name
  type    = one(aws_acm_certificate.edge[each.key].domain_validation_options).resource_record_type
  records = [one(aws_acm_certificate.edge[each.key].domain_validation_options).resource_record_value]
  ttl     = 300
  # Another certificate of the name may have left it.
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "edge" {
  for_each = local.zoned
  provider = aws.us_east_1

  certificate_arn         = aws_acm_certificate.edge[each.key].arn
  validation_record_fqdns = [aws_route53_record.validation[each.key].fqdn]
}

resource "aws_acm_certificate_validation" "regional" {
  for_each = local.zoned

  certificate_arn         = aws_acm_certificate.regional[each.key].arn
  validation_record_fqdns = [aws_route53_record.validation[each.key].fqdn]
}

resource "aws_route53_record" "address" {
  for_each = { for pair in setproduct(keys(local.zoned), ["A", "AAAA"]) : join(" ", pair) => {
    name = pair[0]
    type = pair[1]
  } }

  zone_id = local.zoned[each.value.name]
  name    = each.value.name
  type    = each.value.type

  alias {
    name                   = aws_cloudfront_distribution.this[each.value.name].domain_name
    zone_id                = aws_cloudfront_distribution.this[each.value.name].hosted_zone_id
    evaluate_target_health = false
  }
}
