output "host" {
  description = "The name of the first distribution, which CloudFront gave it."
  value       = aws_cloudfront_distribution.this[local.own_names ? var.domains[0].name : "cloudfront"].domain_name
}

output "records" {
  description = "The DNS records that the operator has to make: those of the domains without a zone."
  value = [for name, domain in local.domains : {
    name  = name
    type  = "CNAME"
    value = aws_cloudfront_distribution.this[name].domain_name
  } if domain.zone_id == null]
}

output "distributions" {
  description = "CloudFront's id of each distribution."
  value       = { for name, distribution in aws_cloudfront_distribution.this : name => distribution.id }
}
