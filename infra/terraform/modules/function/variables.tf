variable "name" {
  description = "Name of the function in AWS."
  type        = string
}

variable "package" {
  description = "Where the zip is: bucket, key, and the hash of what is in it."
  type = object({
    bucket = string
    key    = string
    hash   = string
  })
}

variable "architecture" {
  description = "What the package was built for: `arm64` or `x86_64`."
  type        = string
}

variable "memory_mb" {
  description = "Memory, and with it the share of a CPU."
  type        = number
}

variable "timeout_seconds" {
  description = "After which the function is ended."
  type        = number
}

variable "environment" {
  description = "What the function reads from its environment."
  type        = map(string)
}

variable "permissions" {
  description = "What it may do: statements of actions on resources; of a bucket's list only what begins with one of `prefixes`."
  type = list(object({
    actions   = list(string)
    resources = list(string)
    prefixes  = optional(list(string), [])
  }))
}

variable "log_retention_days" {
  description = "How long its log is kept."
  type        = number
}

variable "tracing" {
  description = "Whether X-Ray samples its calls."
  type        = bool
}

variable "staged" {
  description = "Whether CodeDeploy moves the alias to a new version, instead of this module."
  type        = bool
}
