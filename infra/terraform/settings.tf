# What the functions find in their environment. A function gets what its function.yaml names and
# nothing else, so that none holds a secret that it does not need.

locals {
  # The origins of the service; the first is its name.
  origins = (
    length(var.domains) > 0 ? [for domain in var.domains : "https://${domain.name}"] :
    local.has_edge ? ["https://${module.edge[0].host}"] :
    # In an emulator nobody resolves it; a request of any other host means the first origin.
    ["https://signpost.localhost"]
  )

  # An emulator has no CloudFront to stand behind.
  has_edge = !var.local

  # By it the functions know what came through our CloudFront, and refuse the rest. CloudFront sends the
  # first one. The functions believe all, so that versions that were deployed before a change and after
  # it both know what CloudFront sends; in an order that does not follow that of the variable, so that
  # naming another first is no change of theirs.
  origin_secret  = local.has_edge ? sensitive(terraform_data.origin_secret[var.origin_secrets[0]].output) : null
  origin_secrets = local.has_edge ? sensitive(join(",", [for name in sort(var.origin_secrets) : terraform_data.origin_secret[name].output])) : null

  # Which settings there are depends on variables alone, so that a plan shows them.
  settings = merge(
    {
      LINKS_TABLE      = module.data.tables["links"].name
      CLICKS_TABLE     = module.data.tables["clicks"].name
      ACCOUNTS_TABLE   = module.data.tables["accounts"].name
      SALTS_TABLE      = module.data.tables["salts"].name
      CLICKS_QUEUE_URL = module.queues.queues["clicks"].url
      PURGES_QUEUE_URL = module.queues.queues["purges"].url
      RAW_BUCKET       = module.data.bucket.name

      ORIGINS    = join(",", local.origins)
      TOKEN_KEYS = module.tokens.setting
      SIGNUP     = var.signup

      CACHE_TTL_SECONDS      = tostring(var.cache_ttl_seconds)
      STALE_IF_ERROR_SECONDS = tostring(var.stale_if_error_seconds)
      CLICK_SEND             = var.click_send
      CLICK_RETENTION_DAYS   = tostring(var.click_retention_days)
      WRITES_PER_MINUTE      = tostring(var.writes_per_minute)
      SIGN_IN_PER_MINUTE     = tostring(var.sign_in_per_minute)
    },
    length(var.blocked_hosts) == 0 ? {} : { BLOCKED_HOSTS = join(",", var.blocked_hosts) },
    length(var.sign_in_redirects) == 0 ? {} : { SIGN_IN_REDIRECTS = join(",", var.sign_in_redirects) },
    var.oidc == null ? {} : {
      OIDC_ISSUER      = var.oidc.issuer
      OIDC_CLIENT_ID   = var.oidc.client_id
      OIDC_TRUST_EMAIL = tostring(var.oidc.trust_email)
    },
    try(var.oidc.members, null) == null ? {} : { OIDC_MEMBERS = var.oidc.members },
    local.has_edge ? { ORIGIN_SECRET = local.origin_secrets } : {},
    nonsensitive(var.oidc_client_secret == null) ? {} : { OIDC_CLIENT_SECRET = var.oidc_client_secret },
  )

  environments = { for name, function in local.functions : name => merge(
    { RUST_LOG = var.log_level },
    { for setting in function.settings : setting => local.settings[setting] if contains(keys(local.settings), setting) },
  ) }
}
