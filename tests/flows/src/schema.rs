//! As much of JSON Schema as `openapi.yaml` uses.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use crate::repository::{list, text};

/// What a value is against its schema: each with its place. `document` is what references lead to.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut faults = Vec::new();
    check(document, schema, value, at, &mut faults);
    faults
}

/// What a reference leads to.
pub(crate) fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        None => value,
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap_or(reference);
            let target = document.pointer(pointer);
            let target = target.unwrap_or_else(|| panic!("openapi.yaml: no `{reference}`"));
            resolved(document, target)
        }
    }
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        return faults.push(format!("{at}: the schema is no object: {schema}"));
    };
    let mut fault = |what: String| faults.push(format!("{at}: {what}"));
    let mut below = Vec::new();
    for (keyword, asked) in keywords {
        match keyword.as_str() {
            "$ref" => below.push((resolved(document, schema), value, at.to_owned())),
            "type" if !is_one_of(value, asked) => fault(format!("{value} is no {asked}")),
            "enum" if !list(asked).contains(value) => fault(format!("{value} is none of {asked}")),
            "const" if asked != value => fault(format!("{value} is not {asked}")),
            "required" => {
                let missing = list(asked).iter().filter(|name| value.get(text(name)).is_none());
                missing.for_each(|name| fault(format!("there is no {name}")));
            }
            "properties" => {
                for (name, schema) in asked.as_object().into_iter().flatten() {
                    let property = value.get(name);
                    below.extend(property.map(|value| (schema, value, format!("{at}/{name}"))));
                }
            }
            "additionalProperties" if *asked == false => {
                let known = &schema["properties"];
                let names = value.as_object().into_iter().flat_map(|object| object.keys());
                names
                    .filter(|name| known.get(name.as_str()).is_none())
                    .for_each(|name| fault(format!("there is no field `{name}`")));
            }
            "items" => {
                let items = list(value).iter().enumerate();
                below.extend(items.map(|(place, item)| (asked, item, format!("{at}/{place}"))));
            }
            "uniqueItems" => {
                let items = list(value);
                let is_twice = |at: usize| items[..at].contains(&items[at]);
                if (0..items.len()).any(is_twice) {
                    fault("an item stands twice".to_owned());
                }
            }
            "oneOf" | "anyOf" => {
                let fits = |schema: &&Value| self::faults(document, schema, value, at).is_empty();
                let count = list(asked).iter().filter(fits).count();
                if count == 0 || (keyword == "oneOf" && count != 1) {
                    fault(format!("{count} of `{keyword}` fit {value}"));
                }
            }
            "minimum" if is_less(value.as_f64(), asked) => fault(format!("{value} < {asked}")),
            "maximum" if is_more(value.as_f64(), asked) => fault(format!("{value} > {asked}")),
            "minLength" | "minItems" if is_less(length(value), asked) => {
                fault(format!("{value} is shorter than {asked}"));
            }
            "maxLength" | "maxItems" if is_more(length(value), asked) => {
                fault(format!("{value} is longer than {asked}"));
            }
            "format" if !is_of_format(value, text(asked)) => {
                fault(format!("{value} is no {asked}"))
            }
            "type"
            | "enum"
            | "const"
            | "additionalProperties"
            | "minimum"
            | "maximum"
            | "minLength"
            | "maxLength"
            | "minItems"
            | "maxItems"
            | "format" => {}
            // Patterns need a regular expression engine of ECMAScript's kind; the fuzzer has one.
            "pattern" | "description" | "examples" | "default" => {}
            other => fault(format!("tests/flows/src/schema.rs does not know `{other}`")),
        }
    }
    for (schema, value, at) in below {
        check(document, schema, value, &at, faults);
    }
}

fn is_one_of(value: &Value, types: &Value) -> bool {
    let is = |name: &Value| match text(name) {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    if types.is_array() { list(types).iter().any(is) } else { is(types) }
}

fn is_of_format(value: &Value, format: &str) -> bool {
    let Some(text) = value.as_str() else { return true };
    match format {
        "date-time" => text.parse::<Timestamp>().is_ok(),
        "date" => Date::strptime("%Y-%m-%d", text).is_ok(),
        "uri" => text.is_ascii() && text.contains(':') && !text.contains([' ', '"', '<', '>']),
        _ => true,
    }
}

/// How many characters or items a value has.
fn length(value: &Value) -> Option<f64> {
    let count = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    u32::try_from(count).ok().map(f64::from)
}

fn is_less(value: Option<f64>, least: &Value) -> bool {
    value.zip(least.as_f64()).is_some_and(|(value, least)| value < least)
}

fn is_more(value: Option<f64>, most: &Value) -> bool {
    value.zip(most.as_f64()).is_some_and(|(value, most)| most < value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_found_with_its_place() {
        let document = json!({ "a": { "type": "string", "maxLength": 2, "minLength": 1 } });
        let schema = json!({
            "type": "object",
            "required": ["x", "missing"],
            "additionalProperties": false,
            "properties": {
                "x": { "$ref": "#/a" },
                "n": { "type": ["integer", "null"], "minimum": 1, "maximum": 5 },
                "l": { "type": "array", "maxItems": 3, "uniqueItems": true, "items": { "$ref": "#/a" } },
                "e": { "enum": [1, 2] },
                "o": { "oneOf": [{ "type": "null" }, { "$ref": "#/a" }] },
                "t": { "type": "string", "format": "date-time" },
            },
        });
        let fits = json!({
            "x": "ab", "missing": 0, "n": null, "l": ["a", "b"], "e": 2, "o": null,
            "t": "2026-11-20T14:03:27Z"
        });
        // `missing` is required but unknown: only that is wrong.
        assert_eq!(faults(&document, &schema, &fits, ""), [": there is no field `missing`"]);
        let wrong = json!({
            "x": "abc", "y": 1, "n": 9, "l": ["a", "a", ""], "e": 3, "o": 1, "t": "yesterday"
        });
        let found = faults(&document, &schema, &wrong, "");
        let places: Vec<_> = found.iter().map(|fault| fault.split(':').next().unwrap()).collect();
        for place in ["", "/x", "/n", "/l", "/l/2", "/e", "/o", "/t"] {
            assert!(places.contains(&place), "{place}: {found:#?}");
        }
    }
}
