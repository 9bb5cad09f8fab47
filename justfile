# `just` lists what there is. `just check` is what CI runs.

# Where `.ci/run` compiles to, so that no recipe compiles the AWS SDKs twice.
export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", env("XDG_CACHE_HOME", home_directory() / ".cache") / "signpost/target")

_default:
    @just --list --unsorted

# Start everything in one process on http://127.0.0.1:8000
run *flags:
    cargo run -p local -- {{ flags }}

# Fill the data directory with sample links and clicks
demo *flags:
    cargo run -p local -- demo {{ flags }}

# Prove that the counts are the recorded clicks
verify *flags:
    cargo run -p local -- verify {{ flags }}

# All that CI runs
check:
    .ci/run

# Run the tests, all or those of a name
test *filter:
    cargo test --workspace --locked {{ filter }}

# Torture 200,000 clicks; TORTURE_SEED and TORTURE_CLICKS say which and how many
torture:
    cargo run -p torture --release --locked

# Look for lints
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Build the documentation
docs *flags:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked {{ flags }}

# Format all code
fmt:
    cargo fmt --all

# Check licences, bans and sources of the dependencies
deny:
    cargo deny --locked check licenses bans sources

# Start it, follow a link, stop it, verify the counts
smoke:
    scripts/smoke

# Run schemathesis against every operation
fuzz *flags:
    scripts/fuzz {{ flags }}

# Ask DuckDB the queries of docs/analytics.md
analytics:
    scripts/analytics

# Sign people in with a certified identity provider
sign-in:
    scripts/sign-in

# Pack the functions for Lambda: all for arm64 into dist, or those of a name
package *flags:
    scripts/package {{ flags }}

# Deploy to AWS, e.g. with -var-file=production.tfvars
deploy *flags:
    scripts/deploy {{ flags }}

# Deploy into an emulator, drive it over HTTP, take it down
e2e *flags:
    scripts/e2e {{ flags }}

# Check the Terraform
terraform:
    scripts/terraform

# Check template.yaml, and build it as SAM does
sam:
    scripts/sam

# Write template.yaml anew, from what is listed elsewhere
template:
    UPDATE=1 cargo test --workspace --locked contract::template

# Work out what it costs: the tables of docs/cost.md, or a month of so many clicks
cost *flags:
    scripts/cost {{ flags }}

# Measure: http, lambda, scale, ledger, stats, uniques, redirect, cost; see bench/README.md
bench what *flags:
    cargo run -p bench --release --locked -- {{ what }} {{ flags }}

# Count instructions, calls, units and bytes, and compare them with bench/baseline.json
guard *flags:
    cargo run -p bench --locked -- guard {{ flags }}

# Check the workflows of GitHub
workflows:
    scripts/workflows
