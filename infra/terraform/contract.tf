# What is deployed, read from where it is listed. Nothing here names a function but the authorizer.

locals {
  repository = "${path.module}/../.."
  openapi    = yamldecode(file("${local.repository}/openapi.yaml"))
  triggers   = yamldecode(file("${local.repository}/workers.yaml"))

  # Each folder of a function says what it is given.
  function_files = fileset(local.repository, "functions/*/function.yaml")
  given = { for path in local.function_files :
    basename(dirname(path)) => yamldecode(file("${local.repository}/${path}"))
  }

  methods = ["get", "head", "post", "put", "patch", "delete"]

  # `GET /{slug}` → who answers, and whether one needs credentials. The part of `operationId` before
  # the dot is the function: `redirect.head` is answered by `redirect`.
  routes = merge([for path, item in local.openapi.paths : {
    for method in local.methods : "${upper(method)} ${path}" => {
      function = split(".", item[method].operationId)[0]
      # `security: []` makes an operation public; without it, the whole contract's holds.
      secured = length(try(item[method].security, local.openapi.security)) > 0
    } if can(item[method])
  }]...)

  default_function = local.openapi["x-default-function"]

  # The one function that neither a route nor a trigger names.
  authorizer = "authorize"

  # A worker's time stands beside its trigger, because the queue's visibility follows from it.
  functions = { for name, given in local.given : name => {
    memory_mb       = given.memory_mb
    timeout_seconds = try(given.timeout_seconds, local.triggers.workers[name].timeout_seconds)
    settings        = concat(given.environment.required, given.environment.optional)
    required        = given.environment.required
    permissions     = given.permissions
  } }

  workers = { for name, worker in local.triggers.workers : name => merge(worker,
    # Something to watch: in an emulator nobody waits an hour.
    var.local && can(worker.schedule) ? { schedule = "rate(1 minute)" } : {},
  ) }

  queues = { for name, queue in local.triggers.queues : name => merge(queue,
    # A message that failed comes back while somebody is still watching.
    var.local ? { visibility_timeout_seconds = 5 } : {},
  ) }

  # What `permissions` in function.yaml may name.
  resources = merge(
    {
      "links-table"    = [module.data.tables["links"].arn]
      "links-index"    = [module.data.index_arn]
      "clicks-table"   = [module.data.tables["clicks"].arn]
      "accounts-table" = [module.data.tables["accounts"].arn]
      "salts-table"    = [module.data.tables["salts"].arn]
      "raw-objects"    = ["${module.data.bucket.arn}/raw/*"]
      "lake-objects"   = ["${module.data.bucket.arn}/clicks/*"]
      "lake-bucket"    = [module.data.bucket.arn]
      "token-keys"     = module.tokens.arns
    },
    { for name, queue in module.queues.queues : "${name}-queue" => [queue.arn] },
  )

  permissions = { for name, function in local.functions : name => [
    for resource, actions in function.permissions : {
      actions   = actions
      resources = local.resources[resource]
      prefixes  = lookup(local.prefixes, resource, [])
    }
  ] }

  # Which names of objects may be listed, where a permission is for a whole bucket.
  prefixes = {
    "lake-bucket" = ["raw/*", "clicks/*"]
  }

  # Who puts clicks on their queue, or takes them from there: what happens a thousand times for each call
  # of the API.
  on_the_path_of_clicks = [for name, given in local.given : name if contains(keys(given.permissions), "clicks-queue")]

  # Whose calls X-Ray samples.
  traced = [for name in keys(local.functions) : name
    if var.tracing == "all" || (var.tracing == "api" && !contains(local.on_the_path_of_clicks, name))
  ]

  # Emulators run the functions on this machine.
  architecture = var.local ? "x86_64" : "arm64"

  # Whether CodeDeploy moves traffic to new versions.
  staged = var.canary != null && !var.local
}
