# Everything that an operator decides. `production.tfvars.example` is a whole deployment to begin with.

variable "name" {
  description = "What the names of all resources begin with. Two deployments in one account need two."
  type        = string
  default     = "signpost"

  validation {
    # The longest name made of it is that of a bucket, of 63 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "`name` is 2 to 20 lower-case letters, digits and hyphens, and begins with a letter: it becomes a part of bucket names."
  }
}

variable "region" {
  description = "Where everything runs but CloudFront, which is everywhere."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "`region` is a region of AWS such as `eu-west-1`."
  }
}

variable "tags" {
  description = "Tags of every resource, besides `Application`."
  type        = map(string)
  default     = {}
}

# --- Where it is reached ---------------------------------------------------------------------------

variable "domains" {
  description = <<-EOT
    The domains of short links; the first is the default, and the service's name in tokens.
    With `zone_id`, that of its hosted zone in Route 53, the certificates and the DNS records are made
    here. Without, `certificate_arn` and `regional_certificate_arn` must cover it, and the output
    `dns_records` says what to enter.
  EOT
  type = list(object({
    name    = string
    zone_id = optional(string)
  }))
  default = []

  validation {
    condition     = var.local || var.without_domain || length(var.domains) > 0
    error_message = "Short links need a domain: set `domains = [{ name = \"go.example.com\" }]`, or `without_domain = true` to try it under CloudFront's own name."
  }

  validation {
    condition     = !(var.without_domain && length(var.domains) > 0)
    error_message = "`without_domain` is for a deployment without `domains`: remove one of the two."
  }

  validation {
    condition = alltrue([for domain in var.domains :
      length(domain.name) <= 253 && can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$", domain.name))
    ])
    error_message = "A domain is a bare host name in lower case such as `go.example.com`: no `https://`, no path, no port; beyond ASCII in its `xn--` form."
  }

  validation {
    condition     = length(distinct([for domain in var.domains : domain.name])) == length(var.domains)
    error_message = "A domain stands in `domains` twice."
  }

  validation {
    condition     = alltrue([for domain in var.domains : domain.zone_id == null || can(regex("^Z[A-Z0-9]+$", domain.zone_id))])
    error_message = "`zone_id` is the id of a hosted zone in Route 53 such as `Z0123456789ABCDEFGHIJ`: `aws route53 list-hosted-zones` lists them."
  }
}

variable "without_domain" {
  description = "Use CloudFront's own name, to try it. Links keep the domain that they were made for."
  type        = bool
  default     = false
}

variable "certificate_arn" {
  description = "A certificate of ACM in us-east-1, for CloudFront, that covers the domains without `zone_id`."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null || can(regex("^arn:aws[a-z-]*:acm:us-east-1:[0-9]{12}:certificate/", var.certificate_arn))
    error_message = "`certificate_arn` is for CloudFront, which takes certificates from us-east-1 only, whatever `region` is: request it there (`aws acm request-certificate --region us-east-1 …`) and give its ARN. The one of `region` goes into `regional_certificate_arn`."
  }

  validation {
    condition     = var.local || var.certificate_arn != null || alltrue([for domain in var.domains : domain.zone_id != null])
    error_message = "A domain has no `zone_id`, so its certificates cannot be made here: give it the `zone_id` of its hosted zone in Route 53, or set `certificate_arn` (us-east-1) and `regional_certificate_arn` (`region`) to certificates that cover it."
  }
}

variable "regional_certificate_arn" {
  description = "A certificate of ACM in `region`, for API Gateway, that covers the domains without `zone_id`."
  type        = string
  default     = null

  validation {
    condition     = var.regional_certificate_arn == null || can(regex("^arn:aws[a-z-]*:acm:${var.region}:[0-9]{12}:certificate/", var.regional_certificate_arn))
    error_message = "`regional_certificate_arn` is for API Gateway, which takes certificates from its own region only: request it in `region`."
  }

  validation {
    condition     = var.local || var.regional_certificate_arn != null || alltrue([for domain in var.domains : domain.zone_id != null])
    error_message = "A domain has no `zone_id`: set `regional_certificate_arn` to a certificate of ACM in `region` that covers it, and `certificate_arn` to one in us-east-1."
  }
}

variable "origin_secrets" {
  description = "Names of the secrets by which the functions know CloudFront, each made here. CloudFront sends the first one, the functions believe all. docs/deploy.md says in which order to change them."
  type        = list(string)
  default     = ["1"]

  validation {
    condition     = length(var.origin_secrets) > 0 && length(distinct(var.origin_secrets)) == length(var.origin_secrets)
    error_message = "`origin_secrets` names at least one secret, and none twice, such as `[\"1\"]`: without one, whoever finds the API's address goes around CloudFront."
  }

  validation {
    condition     = alltrue([for name in var.origin_secrets : can(regex("^[a-zA-Z0-9_-]{1,32}$", name))])
    error_message = "`origin_secrets` are names such as `1` or `2026-11` and not the secrets themselves, which are made here: 1 to 32 letters, digits, `-` and `_`."
  }
}

variable "throttle" {
  description = "Requests that each route takes in a second, and at once. More get 429 from the gateway."
  type = object({
    rate  = number
    burst = number
  })
  default = {
    # What one thousand concurrent calls, an account's default, answer many times over; and a bound
    # to what a flood can cost.
    rate  = 2000
    burst = 1000
  }

  validation {
    condition     = var.throttle.rate >= 1 && var.throttle.burst >= 1
    error_message = "`throttle` needs a `rate` and a `burst` of at least 1: with 0 the gateway would refuse every request."
  }
}

variable "waf" {
  description = "A firewall before CloudFront: AWS's common rules, its list of bad addresses, and a rate for each address. It costs about $8 a month, and $0.60 for a million requests."
  type        = bool
  default     = false
}

variable "waf_requests_per_5_minutes" {
  description = "After how many requests in five minutes the firewall holds an address back. The default leaves room for a server that makes as many links as `writes_per_minute` lets it, and for an office behind one address."
  type        = number
  default     = 40000

  validation {
    condition     = var.waf_requests_per_5_minutes >= 10 && var.waf_requests_per_5_minutes <= 2000000000
    error_message = "`waf_requests_per_5_minutes` is 10 to 2,000,000,000: AWS takes no other rate."
  }
}

# --- What the service does -------------------------------------------------------------------------

variable "cache_ttl_seconds" {
  description = "How long an edit may take to reach every redirect."
  type        = number
  default     = 30

  validation {
    condition     = var.cache_ttl_seconds >= 0 && floor(var.cache_ttl_seconds) == var.cache_ttl_seconds
    error_message = "`cache_ttl_seconds` is a whole number of seconds; 0 turns the cache off."
  }
}

variable "stale_if_error_seconds" {
  description = "How long a redirect is answered from the cache while DynamoDB is away."
  type        = number
  default     = 300

  validation {
    condition     = var.stale_if_error_seconds >= 0 && floor(var.stale_if_error_seconds) == var.stale_if_error_seconds
    error_message = "`stale_if_error_seconds` is a whole number of seconds; 0 answers 503 at once."
  }
}

variable "click_send" {
  description = "`after`: the click is sent when the answer is out, and a lost machine can lose it. `before`: the caller waits for the queue, and nothing can be lost."
  type        = string
  default     = "after"

  validation {
    condition     = contains(["after", "before"], var.click_send)
    error_message = "`click_send` is `after` (fast; a lost machine can lose the click in flight) or `before` (the caller waits for the queue)."
  }
}

variable "click_retention_days" {
  description = "How long single clicks are kept. Their counts stay for ever."
  type        = number
  default     = 90

  validation {
    condition     = var.click_retention_days >= 21 && floor(var.click_retention_days) == var.click_retention_days
    error_message = "`click_retention_days` is a whole number of at least 21: a message can wait 14 days in the dead-letter queue, and must still meet its own row, or it would count twice."
  }
}

variable "lake_retention_days" {
  description = "How long an hour of clicks stays in the bucket after it was written last, as Parquet; null: for ever."
  type        = number
  default     = null

  validation {
    condition     = var.lake_retention_days == null || try(floor(var.lake_retention_days) == var.lake_retention_days, false)
    error_message = "`lake_retention_days` is a whole number of days, or null to keep clicks for ever."
  }

  validation {
    condition     = var.lake_retention_days == null || try(var.lake_retention_days >= var.click_retention_days, false)
    error_message = "`lake_retention_days` is at least `click_retention_days`: as long as there are rows of clicks, they are compared with the bucket."
  }
}

variable "recovery_days" {
  description = "How long what was deleted or overwritten can be had back: rows by point-in-time recovery, objects by their older versions. What was purged is gone from there, too, when they are over."
  type        = number
  # A purge is complete within a month, with the day that S3 takes.
  default = 28

  validation {
    condition     = var.recovery_days >= 1 && var.recovery_days <= 35 && floor(var.recovery_days) == var.recovery_days
    error_message = "`recovery_days` is a whole number from 1 to 35: DynamoDB goes no further back."
  }
}

variable "query_limit_gb" {
  description = "How much a query in Athena may read, after which it is stopped; a terabyte costs about $5."
  type        = number
  default     = 100

  validation {
    condition     = var.query_limit_gb >= 1 && floor(var.query_limit_gb) == var.query_limit_gb
    error_message = "`query_limit_gb` is a whole number of at least 1."
  }
}

variable "blocked_hosts" {
  description = "Hosts that no link may lead to, with all below them."
  type        = list(string)
  default     = []
}

variable "writes_per_minute" {
  description = "How often a person or a key may write in a minute, where neither the key nor its workspace says otherwise; 0: as often as they like."
  type        = number
  default     = 6000

  validation {
    condition     = var.writes_per_minute >= 0 && floor(var.writes_per_minute) == var.writes_per_minute
    error_message = "`writes_per_minute` is a whole number; 0 is no limit."
  }
}

variable "sign_in_per_minute" {
  description = "How often an address may sign up, sign in or ask for a token in a minute; 0: as often as it likes."
  type        = number
  default     = 60

  validation {
    condition     = var.sign_in_per_minute >= 0 && floor(var.sign_in_per_minute) == var.sign_in_per_minute
    error_message = "`sign_in_per_minute` is a whole number; 0 is no limit."
  }
}

variable "signup" {
  description = "Who may sign up: `open` (everybody), `invite` (who has an invitation) or `closed` (nobody)."
  type        = string
  default     = "invite"

  validation {
    condition     = contains(["open", "invite", "closed"], var.signup)
    error_message = "`signup` is `open`, `invite` or `closed`. A new deployment has nobody who could invite: set `open` until the first user has registered (docs/identity.md)."
  }
}

variable "oidc" {
  description = "The company's identity provider, as docs/identity.md describes its settings; null: people sign in by password."
  type = object({
    issuer      = string
    client_id   = string
    members     = optional(string)
    trust_email = optional(bool, false)
  })
  default = null

  validation {
    # Without TLS on this machine only, where a test's provider is.
    condition     = var.oidc == null || can(regex(var.local ? "^https?://[^?#]+$" : "^https://[^?#]+$", var.oidc.issuer))
    error_message = "`oidc.issuer` is the issuer as the provider names itself, `https://…` without query and fragment: `issuer` in its `/.well-known/openid-configuration`."
  }

  validation {
    condition     = var.oidc == null || try(length(var.oidc.client_id) > 0, false)
    error_message = "`oidc.client_id` is the name by which the provider knows Signpost: register `https://<first domain>/oauth/callback` there."
  }
}

variable "oidc_client_secret" {
  description = "The secret that belongs to `oidc.client_id`, if the provider gave one. Set it by the variable TF_VAR_oidc_client_secret, not in a file."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.oidc_client_secret == null || var.oidc != null
    error_message = "`oidc_client_secret` says nothing without `oidc`: set `oidc.issuer` and `oidc.client_id` as well."
  }
}

variable "sign_in_redirects" {
  description = "Where a sign-in may lead besides the service's own pages and loopback addresses: whole URIs."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for uri in var.sign_in_redirects : can(regex("^[a-z][a-z0-9+.-]*:[^ ,#]+$", uri))])
    error_message = "`sign_in_redirects` are whole URIs without fragment such as `https://tools.example.com/callback`: they are compared as text."
  }
}

variable "token_keys" {
  description = "Names of the keys in KMS that access tokens are believed by; the first one signs. docs/identity.md says in which order to change them."
  type        = list(string)
  default     = ["1"]

  validation {
    condition     = length(var.token_keys) > 0 && length(distinct(var.token_keys)) == length(var.token_keys)
    error_message = "`token_keys` names at least one key, and none twice, such as `[\"1\"]`."
  }
}

variable "retired_token_keys" {
  description = "Names of keys that were in `token_keys`: no new version believes them, but versions from before may still ask KMS for them. Without a name here and there, its key is deleted."
  type        = list(string)
  default     = []

  validation {
    condition     = length(setintersection(var.retired_token_keys, var.token_keys)) == 0 && length(distinct(var.retired_token_keys)) == length(var.retired_token_keys)
    error_message = "A name stands in `retired_token_keys` twice, or in `token_keys` as well: a key is believed or retired."
  }
}

# --- How it is run ---------------------------------------------------------------------------------

variable "packages" {
  description = "The folder with a zip for each function, as `scripts/package` makes it; relative to this folder."
  type        = string
  default     = "../../dist"
}

variable "canary" {
  description = "How a new version takes over. `canary`: `percent` of the calls for `minutes`, then all. `linear`: `percent` more every `minutes`. null: all at once, without a way back by itself."
  type = object({
    type    = optional(string, "canary")
    percent = optional(number, 10)
    minutes = optional(number, 5)
  })
  default = {}

  validation {
    condition     = var.canary == null || try(contains(["canary", "linear"], var.canary.type), false)
    error_message = "`canary.type` is `canary` or `linear`; set `canary = null` to have new versions at once."
  }

  validation {
    condition     = var.canary == null || try(var.canary.percent >= 1 && var.canary.percent <= 99 && var.canary.minutes >= 1, false)
    error_message = "`canary.percent` is 1 to 99, and `canary.minutes` at least 1."
  }

  validation {
    condition     = var.canary == null || try(floor(var.canary.percent) == var.canary.percent && floor(var.canary.minutes) == var.canary.minutes, false)
    error_message = "`canary.percent` and `canary.minutes` are whole numbers."
  }

  validation {
    condition     = var.canary == null || try(var.canary.minutes * (var.canary.type == "linear" ? ceil(100 / var.canary.percent) - 1 : 1) <= 2880, false)
    error_message = "From the first to the last step of `canary` CodeDeploy takes two days at most, 2,880 minutes: `linear` makes a step of `percent` every `minutes`."
  }
}

variable "log_level" {
  description = "How much the functions log: `error`, `warn`, `info`, `debug` or `trace`."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["error", "warn", "info", "debug", "trace"], var.log_level)
    error_message = "`log_level` is `error`, `warn`, `info`, `debug` or `trace`."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "`log_retention_days` is one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653. 0 would keep logs, and pay for them, for ever."
  }
}

variable "tracing" {
  description = "Which functions X-Ray samples, the first call in each second and 5 % of the others. `api`: all but those on the path of clicks, which would be $10 a million where clicks come one by one. `all`; or `off`."
  type        = string
  default     = "api"

  validation {
    condition     = contains(["api", "all", "off"], var.tracing)
    error_message = "`tracing` is `api` (all functions but those on the path of clicks), `all` or `off`."
  }
}

variable "alarm_emails" {
  description = "Who is written to when an alarm rings. Each gets a mail first, and has to follow its link."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ,;<>]+@[^@ ,;<>]+\\.[^@ ,;<>.]+$", address))])
    error_message = "`alarm_emails` are plain addresses such as `oncall@example.com`."
  }
}

variable "budget_usd" {
  description = "Who is in `alarm_emails` is written to when the account's month is to cost more than this; null: nobody looks."
  type        = number
  default     = null

  validation {
    condition     = var.budget_usd == null || try(var.budget_usd > 0, false)
    error_message = "`budget_usd` is an amount in dollars above 0, or null for no budget."
  }

  validation {
    condition     = var.budget_usd == null || length(var.alarm_emails) > 0
    error_message = "`budget_usd` has nobody to tell: name somebody in `alarm_emails`."
  }
}

variable "deletion_protection" {
  description = "Whether tables, the bucket of clicks and Athena's queries are protected. To take everything down, apply `false` first."
  type        = bool
  default     = true
}

variable "local" {
  description = "For an emulator on this machine: no CloudFront, certificates, DNS, CodeDeploy, firewall and budget."
  type        = bool
  default     = false
}
