# Each setting that cannot be is refused before anything is made. All others are those of
# `production.tfvars.example`, which is good: see production.tftest.hcl.
#
# `tests/variables` is nothing but `variables.tf`, so that no run plans the whole deployment.

run "no_domain" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    domains = []
  }

  expect_failures = [var.domains]
}

run "a_domain_and_none" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    without_domain = true
  }

  expect_failures = [var.domains]
}

run "a_domain_with_a_scheme" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    domains = [{ name = "https://go.example.com", zone_id = "Z0123456789ABCDEFGHIJ" }]
  }

  expect_failures = [var.domains]
}

run "a_domain_in_capitals" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    domains = [{ name = "Go.example.com", zone_id = "Z0123456789ABCDEFGHIJ" }]
  }

  expect_failures = [var.domains]
}

run "a_domain_with_a_port" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    domains = [{ name = "go.example.com:8443", zone_id = "Z0123456789ABCDEFGHIJ" }]
  }

  expect_failures = [var.domains]
}

run "a_name_without_a_dot" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    domains = [{ name = "localhost", zone_id = "Z0123456789ABCDEFGHIJ" }]
  }

  expect_failures = [var.domains]
}

run "a_domain_twice" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    domains = [{ name = "go.example.com", zone_id = "Z0123456789ABCDEFGHIJ" }, { name = "go.example.com", zone_id = "Z0123456789ABCDEFGHIJ" }]
  }

  expect_failures = [var.domains]
}

run "a_zone_by_its_name" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    domains = [{ name = "go.example.com", zone_id = "example.com" }]
  }

  expect_failures = [var.domains]
}

run "the_certificate_of_cloudfront_in_the_wrong_region" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
  }

  expect_failures = [var.certificate_arn]
}

run "the_certificate_of_the_gateway_in_the_wrong_region" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    regional_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }

  expect_failures = [var.regional_certificate_arn]
}

run "neither_a_zone_nor_a_certificate" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    domains                  = [{ name = "go.example.com" }]
    certificate_arn          = null
    regional_certificate_arn = null
  }

  expect_failures = [var.certificate_arn, var.regional_certificate_arn]
}

run "a_certificate_for_cloudfront_only" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    regional_certificate_arn = null
  }

  expect_failures = [var.regional_certificate_arn]
}

run "logs_for_ever" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}

run "a_log_retention_that_aws_does_not_have" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    log_retention_days = 31
  }

  expect_failures = [var.log_retention_days]
}

run "clicks_that_go_before_a_late_message" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    click_retention_days = 20
  }

  expect_failures = [var.click_retention_days]
}

run "half_a_day" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    lake_retention_days = 100.5
  }

  expect_failures = [var.lake_retention_days]
}

run "a_lake_that_forgets_before_the_rows" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    lake_retention_days = 89
  }

  expect_failures = [var.lake_retention_days]
}

run "more_recovery_than_there_is" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    recovery_days = 36
  }

  expect_failures = [var.recovery_days]
}

run "no_recovery" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    recovery_days = 0
  }

  expect_failures = [var.recovery_days]
}

run "questions_that_read_nothing" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    query_limit_gb = 0
  }

  expect_failures = [var.query_limit_gb]
}

run "an_alarm_to_nobody" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    alarm_emails = ["oncall"]
  }

  expect_failures = [var.alarm_emails]
}

run "two_addresses_in_one" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    alarm_emails = ["a@example.com, b@example.com"]
  }

  expect_failures = [var.alarm_emails]
}

run "a_budget_that_nobody_hears_of" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    alarm_emails = []
  }

  expect_failures = [var.budget_usd]
}

run "no_money" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    budget_usd = 0
  }

  expect_failures = [var.budget_usd]
}

run "an_unknown_signup" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    signup = "everybody"
  }

  expect_failures = [var.signup]
}

run "an_unknown_click_send" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    click_send = "never"
  }

  expect_failures = [var.click_send]
}

run "an_unknown_log_level" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    log_level = "INFO"
  }

  expect_failures = [var.log_level]
}

run "an_unknown_canary" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    canary = { type = "blue-green" }
  }

  expect_failures = [var.canary]
}

run "a_canary_of_everything" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    canary = { percent = 100 }
  }

  expect_failures = [var.canary]
}

run "a_region_of_nowhere" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    region = "Ireland"
  }

  expect_failures = [var.region]
}

run "a_name_that_no_bucket_can_have" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    name = "Signpost_Links"
  }

  expect_failures = [var.name]
}

run "a_gateway_that_refuses_everything" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    throttle = { rate = 0, burst = 0 }
  }

  expect_failures = [var.throttle]
}

run "a_rate_that_the_firewall_does_not_take" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    waf_requests_per_5_minutes = 1
  }

  expect_failures = [var.waf_requests_per_5_minutes]
}

run "a_negative_cache" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    cache_ttl_seconds = -1
  }

  expect_failures = [var.cache_ttl_seconds]
}

run "a_negative_staleness" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    stale_if_error_seconds = -1
  }

  expect_failures = [var.stale_if_error_seconds]
}

run "half_a_write" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    writes_per_minute = 0.5
  }

  expect_failures = [var.writes_per_minute]
}

run "half_a_sign_in" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    sign_in_per_minute = 0.5
  }

  expect_failures = [var.sign_in_per_minute]
}

run "a_provider_without_tls" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    oidc = { issuer = "http://id.example.com", client_id = "signpost" }
  }

  expect_failures = [var.oidc]
}

run "a_provider_that_does_not_know_us" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    oidc = { issuer = "https://id.example.com", client_id = "" }
  }

  expect_failures = [var.oidc]
}

run "a_secret_of_no_provider" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    oidc               = null
    oidc_client_secret = "x"
  }

  expect_failures = [var.oidc_client_secret]
}

run "a_redirect_to_a_path" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    sign_in_redirects = ["/callback"]
  }

  expect_failures = [var.sign_in_redirects]
}

run "no_token_key" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    token_keys = []
  }

  expect_failures = [var.token_keys]
}

run "a_token_key_twice" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    token_keys = ["1", "1"]
  }

  expect_failures = [var.token_keys]
}

run "a_token_key_that_is_believed_and_retired" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    retired_token_keys = ["1"]
  }

  expect_failures = [var.retired_token_keys]
}

run "a_token_key_retired_twice" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    retired_token_keys = ["0", "0"]
  }

  expect_failures = [var.retired_token_keys]
}

run "half_a_percent" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    canary = { percent = 1.5 }
  }

  expect_failures = [var.canary]
}

run "a_canary_of_three_days" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    canary = { minutes = 4320 }
  }

  expect_failures = [var.canary]
}

run "steps_for_three_days" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    canary = { type = "linear", percent = 10, minutes = 480 }
  }

  expect_failures = [var.canary]
}

run "no_origin_secret" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    origin_secrets = []
  }

  expect_failures = [var.origin_secrets]
}

run "an_origin_secret_twice" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    origin_secrets = ["1", "1"]
  }

  expect_failures = [var.origin_secrets]
}

run "an_origin_secret_with_a_comma" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    origin_secrets = ["1,2"]
  }

  expect_failures = [var.origin_secrets]
}

run "an_origin_secret_without_a_name" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    origin_secrets = [""]
  }

  expect_failures = [var.origin_secrets]
}

run "an_unknown_tracing" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    tracing = "true"
  }

  expect_failures = [var.tracing]
}

# A way back from a version is not wanted everywhere, a budget neither, and an emulator needs no domain.
run "what_may_be_left_out" {
  command = plan

  module {
    source = "./tests/variables"
  }

  variables {
    local                    = true
    domains                  = []
    certificate_arn          = null
    regional_certificate_arn = null
    alarm_emails             = []
    budget_usd               = null
    canary                   = null
    oidc                     = null
    lake_retention_days      = null
  }
}
