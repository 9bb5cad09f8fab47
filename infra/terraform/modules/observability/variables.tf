variable "name" {
  description = "What names begin with, and the namespace of the metrics made of the access log."
  type        = string
}

variable "region" {
  description = "Where the metrics are."
  type        = string
}

variable "account_id" {
  description = "The account, whose alarms may write to the topic."
  type        = string
}

variable "access_log" {
  description = "The access log of the API."
  type        = string
}

variable "api_id" {
  description = "API Gateway's id of the API."
  type        = string
}

variable "redirect_routes" {
  description = "The route keys of the redirect: all others are the API's."
  type        = list(string)
}

variable "queues" {
  description = "Names of the queue of clicks; and of those of the dead, by their names in workers.yaml."
  type = object({
    clicks = string
    dead   = map(string)
  })
}

variable "tables" {
  description = "Names of the tables."
  type        = list(string)
}

variable "functions" {
  description = "Names of the functions in AWS, by their names in the repository."
  type        = map(string)
}

variable "emails" {
  description = "Who is told."
  type        = list(string)
}
