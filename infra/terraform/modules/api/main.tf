# The HTTP API: the routes of openapi.yaml, each to its function.

locals {
  functions = toset(concat([for route in var.routes : route.function], [var.default_function]))
}

resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  description   = "Signpost: the routes of openapi.yaml"
  protocol_type = "HTTP"
  tags          = var.tags

  # With domains of one's own nobody needs this name, and who knew it could go around CloudFront.
  disable_execute_api_endpoint = !var.own_endpoint

  # No CORS: no page of another origin calls the API, and the local platform allows none either.
}

# One integration for a function, however many routes lead to it.
resource "aws_apigatewayv2_integration" "this" {
  for_each = local.functions

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = var.functions[each.key].invoke_arn
  payload_format_version = "2.0"
  # The longest there is. Each function has a shorter time of its own, and ends first.
  timeout_milliseconds = 30000
}

resource "aws_apigatewayv2_authorizer" "this" {
  api_id                            = aws_apigatewayv2_api.this.id
  name                              = var.authorizer
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = var.functions[var.authorizer].invoke_arn
  authorizer_payload_format_version = "2.0"
  enable_simple_responses           = true
  # The whole of what it decides by. Without the header the gateway itself answers 401.
  identity_sources = ["$request.header.Authorization"]
  # How long something that was taken away may go on working; docs/identity.md promises it.
  authorizer_result_ttl_in_seconds = 60
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:what openapi.yaml marks as public is public
  for_each = var.routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this[each.value.function].id}"
  authorization_type = each.value.secured ? "CUSTOM" : "NONE"
  authorizer_id      = each.value.secured ? aws_apigatewayv2_authorizer.this.id : null

  # Each change is live at once: a route must not lead to a function that the gateway may not call yet.
  depends_on = [aws_lambda_permission.route, aws_lambda_permission.authorizer]
}

# Also a wrong path gets an answer of ours, as a problem.
resource "aws_apigatewayv2_route" "default" {
  #checkov:skip=CKV_AWS_309:it answers 404 and 405 to everybody
  api_id    = aws_apigatewayv2_api.this.id
  route_key = "$default"
  target    = "integrations/${aws_apigatewayv2_integration.this[var.default_function].id}"

  depends_on = [aws_lambda_permission.route]
}

resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts logs with its own key; one of ours is paid for by the month, and no person is in it
  #checkov:skip=CKV_AWS_338:how long logs are kept is the operator's to decide
  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  # For each route.
  default_route_settings {
    throttling_rate_limit  = var.throttle.rate
    throttling_burst_limit = var.throttle.burst
    # Each would be a metric that is paid for. The alarms have theirs from the access log.
    detailed_metrics_enabled = false
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    # The route and not the path, which names a link. No address, query or user agent of anybody.
    # Numbers stand without quotes, so that metric filters can compare and take them.
    format = join("", [
      "{\"time\":\"$context.requestTimeEpoch\"",
      ",\"request_id\":\"$context.requestId\"",
      ",\"route\":\"$context.routeKey\"",
      ",\"status\":$context.status",
      ",\"latency_ms\":$context.responseLatency",
      ",\"function_status\":\"$context.integrationStatus\"",
      ",\"function_ms\":\"$context.integrationLatency\"",
      ",\"bytes\":\"$context.responseLength\"",
      ",\"error\":\"$context.error.responseType\"}",
    ])
  }
}

resource "aws_lambda_permission" "route" {
  for_each = local.functions

  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  function_name = var.functions[each.key].name
  qualifier     = var.functions[each.key].alias
  principal     = "apigateway.amazonaws.com"
  # Any stage and any route of this API, and of no other.
  source_arn = "${aws_apigatewayv2_api.this.execution_arn}/*"
}

resource "aws_lambda_permission" "authorizer" {
  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  function_name = var.functions[var.authorizer].name
  qualifier     = var.functions[var.authorizer].alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/authorizers/${aws_apigatewayv2_authorizer.this.id}"
}
