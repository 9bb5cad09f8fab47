output "id" {
  description = "AWS's name for the API."
  value       = aws_apigatewayv2_api.this.id
}

output "endpoint" {
  description = "Its address in AWS, without a path."
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "stage" {
  description = "The stage, for domain names that lead to it."
  value       = aws_apigatewayv2_stage.this.id
}

output "access_log" {
  description = "Where each request has a line."
  value       = aws_cloudwatch_log_group.access.name
}

output "routes" {
  description = "Each route, the function that answers, and how callers are known: `CUSTOM` or `NONE`."
  value = merge(
    { for key, route in aws_apigatewayv2_route.this : key => {
      function      = var.routes[key].function
      authorization = route.authorization_type
    } },
    { (aws_apigatewayv2_route.default.route_key) = {
      function      = var.default_function
      authorization = "NONE"
    } },
  )
}
