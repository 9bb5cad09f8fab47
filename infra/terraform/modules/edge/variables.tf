variable "name" {
  description = "What names begin with."
  type        = string
}

variable "domains" {
  description = "The domains, in their order. None: CloudFront's own name."
  type = list(object({
    name    = string
    zone_id = optional(string)
  }))
}

variable "certificate_arn" {
  description = "A certificate in us-east-1 for the domains without a zone."
  type        = string
}

variable "regional_certificate_arn" {
  description = "A certificate in the API's region for the domains without a zone."
  type        = string
}

variable "api" {
  description = "The API: its id, its endpoint in AWS, and its stage."
  type = object({
    id       = string
    endpoint = string
    stage    = string
  })
}

variable "origin_secret" {
  description = "What CloudFront adds to each request, so that the functions know it."
  type        = string
  sensitive   = true
}

variable "waf" {
  description = "Whether there is a firewall."
  type        = bool
}

variable "waf_requests_per_5_minutes" {
  description = "After how many requests the firewall holds an address back."
  type        = number
}
