variable "name" {
  description = "Name of the API."
  type        = string
}

variable "routes" {
  description = "Route key (`GET /{slug}`) → the function that answers, and whether one needs credentials."
  type = map(object({
    function = string
    secured  = bool
  }))
}

variable "default_function" {
  description = "Who answers what no route answers."
  type        = string
}

variable "authorizer" {
  description = "The function that looks at credentials."
  type        = string
}

variable "functions" {
  description = "Name, alias and address of each function."
  type = map(object({
    name       = string
    alias      = string
    invoke_arn = string
  }))
}

variable "throttle" {
  description = "Requests in a second, and at once, that a route takes."
  type = object({
    rate  = number
    burst = number
  })
}

variable "own_endpoint" {
  description = "Whether the API answers under AWS's name for it."
  type        = bool
}

variable "log_retention_days" {
  description = "How long the access log is kept."
  type        = number
}

variable "tags" {
  description = "More tags of the API."
  type        = map(string)
}
