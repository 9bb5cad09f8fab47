//! What Terraform holds of its own. Routes, triggers, memory, timeouts, permissions and which
//! settings a function gets it reads from where they are listed, so there is nothing to compare.
//!
//! The files are read as text, at a few places that begin and end in a line of their own.

use std::collections::BTreeSet;

use super::environment::load;
use super::sources::product_sources;
use crate::functions;
use crate::given::{Given, Resource};
use crate::repository::{assert_none, files, folders, read};
use crate::tables::{Table, tables};
use crate::workers::Workers;

const SETTINGS: &str = "infra/terraform/settings.tf";
const CONTRACT: &str = "infra/terraform/contract.tf";
const DATA: &str = "infra/terraform/modules/data/main.tf";
const ALARMS: &str = "infra/terraform/modules/observability/main.tf";

/// The lines between one that is this and the next with the same indentation.
fn block(path: &str, begin: &str) -> Vec<String> {
    let text = read(path);
    let mut lines = text.lines().skip_while(|line| *line != begin);
    assert!(lines.next().is_some(), "{path}: there is no line `{begin}`");
    let is_inside = |line: &&str| line.is_empty() || indent(line) > indent(begin);
    lines.take_while(is_inside).map(str::to_owned).collect()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The names of settings that these lines give a value: those in capitals before a `=`.
fn settings(lines: &[String]) -> BTreeSet<String> {
    let is_name =
        |word: &&str| 4 < word.len() && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let words = |line: &String| -> Vec<String> {
        let code = line.split('#').next().unwrap_or_default();
        let sides: Vec<_> = code.split(" = ").collect();
        let before = sides[..sides.len() - 1].iter();
        let last = before.filter_map(|side| side.split_whitespace().last());
        last.filter(is_name).map(str::to_owned).collect()
    };
    lines.iter().flat_map(words).collect()
}

/// All that Terraform knows a value for, and what it always has.
fn all_and_always() -> (BTreeSet<String>, BTreeSet<String>) {
    let all = settings(&block(SETTINGS, "  settings = merge("));
    (all, settings(&block(SETTINGS, "    {")))
}

#[test]
fn terraform_has_a_value_for_every_setting_and_for_no_other() {
    let (all, _) = all_and_always();
    let mut faults = Vec::new();
    let mut wanted = BTreeSet::new();
    for function in functions::NAMES {
        for name in Given::to(function).environment.all() {
            if !all.contains(&name) {
                let place = Given::place(function);
                faults.push(format!("{SETTINGS}: the map `settings` has no `{name}` ({place})"));
            }
            wanted.insert(name);
        }
    }
    for name in all.difference(&wanted) {
        faults.push(format!("{SETTINGS}: no function.yaml names `{name}`"));
    }
    assert_none(&faults);
}

#[tokio::test]
async fn a_function_starts_with_exactly_what_terraform_gives_it() {
    let world = testkit::World::new().await;
    let (all, always) = all_and_always();
    assert!(always.contains("LINKS_TABLE"), "{SETTINGS}: the first map of `settings`");
    let mut faults = Vec::new();
    for function in functions::NAMES {
        let named = Given::to(function).environment.all();
        // In an emulator, without any option; and in production, with all of them.
        for given in [&always, &all] {
            let names = named.intersection(given).cloned().collect();
            if let Err(error) = load(&world, function, &names).await {
                faults.push(format!("{SETTINGS}: with {names:?} `{function}`: {error}"));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn terraform_knows_everything_that_a_permission_can_be_for() {
    let lines = block(CONTRACT, "  resources = merge(").join("\n");
    let queues: BTreeSet<_> =
        Workers::get().queues.into_keys().map(|name| format!("{name}-queue")).collect();
    let mut faults = Vec::new();
    for resource in Resource::ALL {
        let named = lines.contains(&format!("\"{resource}\" "));
        let is_queue = queues.contains(resource.as_str()) && lines.contains("\"${name}-queue\"");
        if !named && !is_queue {
            faults.push(format!("{CONTRACT}: the map `resources` has no `{resource}`"));
        }
    }
    let is_resource = |word: &&str| {
        ["-table", "-keys", "-objects", "-bucket"].iter().any(|end| word.ends_with(end))
    };
    for name in lines.split('"').filter(is_resource) {
        if !Resource::ALL.iter().any(|resource| resource.as_str() == name) {
            faults.push(format!("tests/flows/src/given.rs: no permission can be for `{name}`"));
        }
    }
    assert_none(&faults);
}

#[tokio::test]
async fn terraform_makes_the_tables_of_the_schema() {
    const SCHEMA: &str = "shared/store/src/schema.rs has it otherwise";
    let named = block(DATA, "  tables = {");
    let table = block(DATA, "resource \"aws_dynamodb_table\" \"this\" {").join("\n");
    let has =
        |line: &str| table.lines().any(|own| own.split_whitespace().eq(line.split_whitespace()));
    let tables = tables().await;
    let mut faults = Vec::new();
    for table in &tables {
        if !table.can_be_restored() {
            faults.extend(apart(table));
            continue;
        }
        let indexed = !table.indexes.is_empty();
        let line = format!("{} = {{ indexed = {indexed} }}", table.name);
        if !named.iter().any(|own| own.split_whitespace().eq(line.split_whitespace())) {
            faults.push(format!("{DATA}: in `tables` there is no `{line}`: {SCHEMA}"));
        }
        let mut lines = vec![
            format!("hash_key = \"{}\"", table.hash_key),
            format!("range_key = \"{}\"", table.range_key.as_deref().unwrap_or_default()),
            format!("attribute_name = \"{}\"", table.expires),
        ];
        for index in &table.indexes {
            let quoted: Vec<_> = index.included.iter().map(|name| format!("\"{name}\"")).collect();
            lines.extend([
                format!("for_each = each.value.indexed ? [\"{}\"] : []", index.name),
                format!(
                    "for_each = each.value.indexed ? [\"{}\", \"{}\"] : []",
                    index.hash_key, index.range_key
                ),
                format!("hash_key = \"{}\"", index.hash_key),
                format!("range_key = \"{}\"", index.range_key),
                "projection_type = \"INCLUDE\"".to_owned(),
                format!("non_key_attributes = [{}]", quoted.join(", ")),
            ]);
        }
        for line in lines.iter().filter(|line| !has(line)) {
            faults.push(format!("{DATA}: the tables have no `{line}`: {SCHEMA}"));
        }
        let strings = table.attributes.iter().all(|(_, kind)| kind == "S");
        assert!(strings, "{DATA}: an attribute of a key is no string any more: {table:?}");
    }
    let indexed = tables.iter().flat_map(|table| &table.indexes).count();
    assert_eq!(indexed, 1, "{DATA}: `indexed` means one index, and there are {indexed}");
    let found = named.iter().filter(|line| line.contains("indexed")).count();
    let restored = tables.iter().filter(|table| table.can_be_restored()).count();
    assert_eq!(found, restored, "{DATA}: a table that the schema does not have: {named:?}");
    assert_none(&faults);
}

/// What Terraform has otherwise of a table that is a resource of its own.
fn apart(table: &Table) -> Vec<String> {
    let name = &table.name;
    let begin = format!("resource \"aws_dynamodb_table\" \"{name}\" {{");
    let lines: BTreeSet<_> = block(DATA, &begin).iter().map(|line| words(line)).collect();
    let mut wanted = vec![
        format!("name = \"${{var.name}}-{name}\""),
        format!("hash_key = \"{}\"", table.hash_key),
        format!("attribute_name = \"{}\"", table.expires),
    ];
    wanted.extend(table.range_key.as_ref().map(|key| format!("range_key = \"{key}\"")));
    let attributes = table.attributes.iter().map(|(name, _)| format!("name = \"{name}\""));
    wanted.extend(attributes);
    assert!(table.indexes.is_empty(), "{DATA}: an index of `{name}` is not looked at: {table:?}");
    let missing = wanted.into_iter().filter(|line| !lines.contains(line));
    missing.map(|line| format!("{DATA}: the table `{name}` has no `{line}`")).collect()
}

/// A line without its layout.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where Terraform hands on what is listed elsewhere, and what it must not leave out or make up.
const HANDED_ON: [(&str, &[&str]); 5] = [
    (
        CONTRACT,
        &[
            "memory_mb = given.memory_mb",
            "timeout_seconds = try(given.timeout_seconds, local.triggers.workers[name].timeout_seconds)",
            "settings = concat(given.environment.required, given.environment.optional)",
            "permissions = given.permissions",
            // Only in an emulator: in AWS a batch would be delivered twice.
            "var.local ? { visibility_timeout_seconds = 5 } : {},",
        ],
    ),
    (
        "infra/terraform/modules/function/main.tf",
        &["memory_size = var.memory_mb", "timeout = var.timeout_seconds", "Action = one.actions"],
    ),
    (
        "infra/terraform/modules/queues/main.tf",
        &[
            "visibility_timeout_seconds = each.value.visibility_timeout_seconds",
            "message_retention_seconds = each.value.message_retention_seconds",
            "maxReceiveCount = each.value.max_receive_count",
        ],
    ),
    (
        "infra/terraform/modules/workers/main.tf",
        &[
            "batch_size = each.value.batch_size",
            "maximum_batching_window_in_seconds = each.value.batching_window_seconds",
            "function_response_types = each.value.report_batch_item_failures == true ? [\"ReportBatchItemFailures\"] : []",
            "schedule_expression = each.value.schedule",
        ],
    ),
    (
        "infra/terraform/modules/api/main.tf",
        &[
            "for_each = var.routes",
            "authorization_type = each.value.secured ? \"CUSTOM\" : \"NONE\"",
            "authorizer_payload_format_version = \"2.0\"",
            "enable_simple_responses = true",
            "authorizer_result_ttl_in_seconds = 60",
        ],
    ),
];

#[test]
fn terraform_hands_on_what_is_listed_elsewhere() {
    let mut faults = Vec::new();
    for (path, lines) in HANDED_ON {
        let found: BTreeSet<_> = read(path).lines().map(words).collect();
        for line in lines.iter().filter(|line| !found.contains(**line)) {
            faults.push(format!("{path}: there is no line `{line}`"));
        }
    }
    assert_none(&faults);
}

#[test]
fn beside_its_permissions_a_function_may_only_write_its_log_and_its_traces() {
    const PATH: &str = "infra/terraform/modules/function/main.tf";
    const BASICS: [&str; 4] = [
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ];
    let basics = block(PATH, "  basics = concat(").join("\n");
    let is_action = |word: &&str| {
        word.split_once(':').is_some_and(|(service, name)| {
            service.chars().all(|c| c.is_ascii_lowercase())
                && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '*')
        })
    };
    let found: BTreeSet<_> = basics.split('"').filter(is_action).collect();
    assert_eq!(found, BTreeSet::from(BASICS), "{PATH}: `basics`");
    assert!(basics.contains("${aws_cloudwatch_log_group.this.arn}:*"), "{PATH}: its own log only");
    // Nothing is given to a function elsewhere.
    let policies: Vec<_> = files("infra/terraform", "tf")
        .into_iter()
        .filter(|path| read(path).contains("resource \"aws_iam_role_policy"))
        .collect();
    for path in policies.iter().filter(|path| !path.ends_with("modules/function/main.tf")) {
        let roles = read(path);
        assert!(!roles.contains("lambda.amazonaws.com"), "{}: a role of functions", path.display());
    }
}

#[test]
fn athena_knows_the_columns_of_the_files() {
    const PATH: &str = "infra/terraform/modules/analytics/main.tf";
    let found: Vec<_> = block(PATH, "  columns = [").iter().map(|line| words(line)).collect();
    let columns = archive::columns();
    let wanted: Vec<_> = columns.map(|(name, kind)| format!("[\"{name}\", \"{kind}\"],")).collect();
    assert_eq!(found, wanted, "{PATH}: `columns`");
}

/// The names of the alarms.
fn alarms() -> BTreeSet<String> {
    let begin = "  alarms = {";
    let keys = block(ALARMS, begin).into_iter().filter(|line| indent(line) == indent(begin) + 2);
    let keys = keys.filter_map(|line| Some(line.split_once(" = {")?.0.trim().to_owned()));
    // And those that are no entries of that map.
    let text = read(ALARMS);
    let named = text.lines().filter_map(|line| line.trim().strip_prefix("alarm_name"));
    let named = named.filter_map(|line| {
        Some(line.split_once("${var.name}-")?.1.trim_end_matches('"').to_owned())
    });
    keys.chain(named.filter(|name| !name.contains('$'))).collect()
}

#[test]
fn every_alarm_has_a_heading_in_the_runbook() {
    let alarms = alarms();
    assert!(alarms.contains("redirect-unavailable"), "{ALARMS}: the alarms are not found");
    let runbook = read("docs/runbook.md");
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
    let headings: BTreeSet<_> = headings.map(str::to_owned).collect();
    let mut faults = Vec::new();
    for name in alarms.difference(&headings) {
        faults.push(format!("docs/runbook.md: there is no heading «## `{name}`»"));
    }
    for name in headings.difference(&alarms) {
        faults
            .push(format!("{ALARMS}: there is no alarm `{name}`, which docs/runbook.md explains"));
    }
    assert_none(&faults);
}

#[test]
fn an_alarm_looks_at_what_somebody_counts() {
    let mut counted = String::new();
    for folder in super::sources::PRODUCT {
        for source in product_sources(folder) {
            counted.push_str(&read(source));
        }
    }
    let functions = folders("functions");
    let mut faults = Vec::new();
    let mut is_ours = false;
    for line in block(ALARMS, "  alarms = {") {
        let quoted = line.split('"').nth(1).unwrap_or_default();
        if let Some((_, value)) = line.split_once("namespace ") {
            is_ours = value.trim_start_matches([' ', '=']) == "local.namespace";
        } else if is_ours && line.trim().starts_with("metric ") {
            if !counted.contains(&format!("\"{quoted}\"")) {
                faults.push(format!("{ALARMS}: no source counts `{quoted}`"));
            }
        } else if let Some((_, function)) = line.split_once("function = \"") {
            let name = function.split('"').next().unwrap_or_default();
            if !functions.contains(name) {
                faults.push(format!("{ALARMS}: there is no function `{name}`"));
            }
        }
    }
    assert_none(&faults);
}
