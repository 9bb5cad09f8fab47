# The deployment of `production.tfvars.example` as a whole, against mocks of AWS: whether what is
# listed in openapi.yaml, workers.yaml and the function.yaml is what is deployed, and no more.

mock_provider "aws" {
  source = "./tests/aws"
}

mock_provider "aws" {
  alias  = "us_east_1"
  source = "./tests/us-east-1"
}

run "production" {
  command = apply

  variables {
    origin_secrets = ["2", "1"]
  }

  assert {
    condition = toset(keys(output.functions)) == toset([
      for path in fileset("../../functions", "*/function.yaml") : dirname(path)
    ])
    error_message = "Each folder with a function.yaml is one function, and there is no other."
  }

  assert {
    condition = {
      for key, route in module.api.routes : key => "${route.function} ${route.authorization}"
      } == merge(
      { "$default" = "${yamldecode(file("../../openapi.yaml"))["x-default-function"]} NONE" },
      [for path, item in yamldecode(file("../../openapi.yaml")).paths : {
        for method, operation in item :
        "${upper(method)} ${path}" => "${split(".", operation.operationId)[0]} ${try(length(operation.security), 1) == 0 ? "NONE" : "CUSTOM"}"
        if can(operation.operationId)
      }]...
    )
    error_message = "Each operation of openapi.yaml is one route, to its function, open only where the contract says so."
  }

  assert {
    condition = alltrue([for name, function in module.function :
      toset(flatten([for statement in jsondecode(function.policy).Statement : statement.Action])) == toset(concat(
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        function.traced ? ["xray:PutTraceSegments", "xray:PutTelemetryRecords"] : [],
        flatten(values(yamldecode(file("../../functions/${name}/function.yaml")).permissions)),
      ))
    ])
    error_message = "A role may do what function.yaml says, log, trace where it is traced, and nothing else."
  }

  # By name here, and by their queues there.
  assert {
    condition     = toset([for name, function in module.function : name if !function.traced]) == toset(["redirect", "record-clicks"])
    error_message = "All are traced but those on the path of clicks, of which there are far too many to pay for."
  }

  assert {
    condition = alltrue(flatten([for function in module.function :
      [for statement in jsondecode(function.policy).Statement :
        [for resource in statement.Resource :
          startswith(resource, "arn:") && length(split(":", resource)) >= 6
          || toset(statement.Action) == toset(["xray:PutTraceSegments", "xray:PutTelemetryRecords"])
        ]
      ]
    ]))
    error_message = "A role names each resource by its ARN; only X-Ray has none."
  }

  assert {
    condition = alltrue(flatten([for function in module.function :
      [for statement in jsondecode(function.policy).Statement :
        statement.Condition == { StringLikeIfExists = { "s3:prefix" = ["raw/*", "clicks/*"] } }
        if contains(statement.Action, "s3:ListBucket")
      ]
    ]))
    error_message = "Who lists the bucket lists clicks, and not what somebody asked Athena."
  }

  assert {
    condition     = output.analytics == { database = "signpost", table = "clicks", workgroup = "signpost" }
    error_message = "Athena knows the clicks."
  }

  # As the functions' code says it: a table for which none is given a name is a table for nothing.
  assert {
    condition     = keys(output.tables) == ["accounts", "clicks", "links", "salts"] && keys(output.queues) == keys(yamldecode(file("../../workers.yaml")).queues)
    error_message = "There are the tables, and the queues of workers.yaml."
  }

  assert {
    condition = alltrue([for name, function in module.function :
      length(setsubtract(yamldecode(file("../../functions/${name}/function.yaml")).environment.required, function.settings)) == 0
      && length(setsubtract(function.settings, concat(
        ["RUST_LOG"],
        yamldecode(file("../../functions/${name}/function.yaml")).environment.required,
        yamldecode(file("../../functions/${name}/function.yaml")).environment.optional,
      ))) == 0
    ])
    error_message = "A function finds all that it requires in its environment, and nothing that it does not read."
  }

  assert {
    condition = alltrue([for name, function in module.function :
      contains(function.settings, "ORIGIN_SECRET") == contains(yamldecode(file("../../functions/${name}/function.yaml")).environment.optional, "ORIGIN_SECRET")
    ])
    error_message = "Whoever reads the secret of CloudFront has it."
  }

  # In the middle of a rotation, as the variables below say.
  assert {
    condition = alltrue([for name, environment in local.environments :
      environment["ORIGIN_SECRET"] == "${terraform_data.origin_secret["1"].output},${terraform_data.origin_secret["2"].output}"
      if can(environment["ORIGIN_SECRET"])
    ])
    error_message = "The functions believe every secret, in an order that does not change when CloudFront sends another."
  }

  assert {
    condition     = local.origin_secret == terraform_data.origin_secret["2"].output && length(local.origin_secret) == 72 && terraform_data.origin_secret["1"].output != terraform_data.origin_secret["2"].output
    error_message = "CloudFront sends the first secret, and each is another one."
  }

  assert {
    condition = alltrue([for name, function in module.function : function.size == {
      architecture = "arm64"
      memory_mb    = yamldecode(file("../../functions/${name}/function.yaml")).memory_mb
      timeout_seconds = try(
        yamldecode(file("../../functions/${name}/function.yaml")).timeout_seconds,
        yamldecode(file("../../workers.yaml")).workers[name].timeout_seconds,
      )
    }])
    error_message = "Size and time are those of function.yaml, or workers.yaml."
  }

  assert {
    condition     = alltrue([for function in module.function : function.log_retention_days == 30])
    error_message = "No log is kept for ever."
  }

  assert {
    condition = toset(keys(output.alarms)) == toset([
      "redirect-unavailable", "redirect-slow", "api-failing", "clicks-late", "clicks-dead",
      "clicks-not-sent", "ledger-differs", "ledger-unverified", "functions-throttled",
      "limits-unavailable",
    ])
    error_message = "These are the alarms that docs/runbook.md has headings for."
  }

  assert {
    condition     = alltrue([for key, name in output.alarms : name == "signpost-${key}"])
    error_message = "An alarm in AWS has the name of its heading."
  }

  assert {
    condition     = toset(keys(module.deployments[0].groups)) == toset(keys(output.functions))
    error_message = "New versions of every function take over in steps."
  }

  assert {
    condition = alltrue([for group in module.deployments[0].groups :
      group.config == "signpost-canary-10-percent-5-minutes"
      && length(setsubtract(group.alarms, values(output.alarms))) == 0
      && contains(group.alarms, "signpost-redirect-unavailable")
      && !contains(group.alarms, "signpost-redirect-slow")
    ])
    error_message = "Alarms take a bad version back."
  }

  assert {
    condition     = length(aws_budgets_budget.this) == 1
    error_message = "The example has a budget."
  }

  assert {
    condition     = output.url == "https://go.example.com"
    error_message = "The first domain is the service's name."
  }

  assert {
    condition = output.dns_records == [
      { name = "example.link", type = "CNAME", value = "d111111abcdef8.cloudfront.net" }
    ]
    error_message = "Of a domain whose DNS is elsewhere, the operator is told the record."
  }

  assert {
    condition     = strcontains(output.next_steps, "example.link CNAME") && strcontains(output.next_steps, "oncall@example.com")
    error_message = "What is left to do is said."
  }
}

# An emulator has none of what stands around the API.
run "local" {
  command = plan

  variables {
    local                    = true
    tracing                  = "all"
    domains                  = []
    certificate_arn          = null
    regional_certificate_arn = null
  }

  # What stands after the first run would only be planned to go.
  state_key = "local"

  assert {
    condition     = length(module.edge) == 0 && length(module.deployments) == 0 && length(module.analytics) == 0 && length(aws_budgets_budget.this) == 0 && length(terraform_data.origin_secret) == 0
    error_message = "There is no CloudFront, DNS, firewall, CodeDeploy and budget in an emulator."
  }

  assert {
    condition     = alltrue([for function in module.function : function.size.architecture == "x86_64" && !contains(function.settings, "ORIGIN_SECRET")])
    error_message = "In an emulator functions are for this machine, and stand behind nothing."
  }

  assert {
    condition     = alltrue([for function in module.function : function.traced])
    error_message = "All of them are traced where the operator says so."
  }

  assert {
    condition     = output.deployments == ""
    error_message = "In an emulator aliases follow the newest version."
  }
}

# To try it without a domain: CloudFront's name is the service's, though the functions that are told it
# stand behind CloudFront.
run "without_a_domain" {
  command = plan

  variables {
    without_domain           = true
    tracing                  = "off"
    domains                  = []
    certificate_arn          = null
    regional_certificate_arn = null
    canary                   = null
    waf                      = false
    oidc                     = null
    budget_usd               = null
    alarm_emails             = []
  }

  state_key = "without-a-domain"

  assert {
    condition     = length(module.edge) == 1 && length(module.deployments) == 0
    error_message = "Without a domain there is still CloudFront, and without a canary no CodeDeploy."
  }

  assert {
    condition     = !anytrue([for function in module.function : function.traced])
    error_message = "None is traced where the operator says so."
  }

  assert {
    condition     = !contains(module.function["start-sign-in"].settings, "OIDC_ISSUER")
    error_message = "What has no value is not set."
  }
}
