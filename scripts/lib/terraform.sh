# shellcheck shell=bash
# Finds Terraform and its provider, for the scripts beside this folder: `. scripts/lib/terraform.sh`.
#
# Terraform downloads the AWS provider itself. Where it cannot, TF_PLUGIN_DIR names a folder that holds
# `registry.terraform.io/hashicorp/aws/<version>/<platform>/`; without that, the folders are looked
# through in which Terraform's own mirrors usually are.

# A configuration that is named but is not there makes every call warn.
if [ -n "${TF_CLI_CONFIG_FILE:-}" ] && ! [ -e "$TF_CLI_CONFIG_FILE" ]; then
  export TF_CLI_CONFIG_FILE=/dev/null
fi
export TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1

# need_terraform: ends the script where there is no Terraform, or one that is too old.
need_terraform() {
  local version
  if ! command -v terraform >/dev/null; then
    echo "Terraform is not installed: https://developer.hashicorp.com/terraform/install (1.11 or newer)" >&2
    exit 2
  fi
  version="$(terraform version | sed -nE '1s/^Terraform v([0-9]+)\.([0-9]+).*/\1 \2/p')"
  # shellcheck disable=SC2086
  set -- $version
  if [ "${1:-0}" -lt 1 ] || { [ "$1" -eq 1 ] && [ "$2" -lt 11 ]; }; then
    echo "Terraform ${1:-?}.${2:-?} is too old: 1.11 or newer is needed" >&2
    exit 2
  fi
}

# plugin_folder: the folder that holds the AWS provider, if there is one on this machine.
plugin_folder() {
  local folder
  for folder in /opt/tf-plugins /usr/share/terraform/plugins /usr/local/share/terraform/plugins \
    "$HOME/.terraform.d/plugins"; do
    if [ -d "$folder/registry.terraform.io/hashicorp/aws" ]; then
      printf '%s\n' "$folder"
      return
    fi
  done
}

# terraform_init FOLDER ARGUMENT…: `terraform init` in FOLDER, with the provider from where it is.
terraform_init() {
  local folder="$1" plugins="${TF_PLUGIN_DIR:-}" log
  shift
  if [ -n "$plugins" ]; then
    terraform -chdir="$folder" init -input=false -no-color -plugin-dir="$plugins" "$@"
    return
  fi
  plugins="$(plugin_folder)"
  if [ -z "$plugins" ]; then
    terraform -chdir="$folder" init -input=false -no-color "$@"
    return
  fi
  # Only what is told twice is worth reading: that the download failed is no news where there is a
  # folder to take it from.
  log="$(mktemp)"
  if terraform -chdir="$folder" init -input=false -no-color "$@" >"$log" 2>&1; then
    cat "$log"
    rm -f "$log"
    return
  fi
  rm -f "$log"
  terraform -chdir="$folder" init -input=false -no-color -plugin-dir="$plugins" "$@"
}
