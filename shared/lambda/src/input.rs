//! Reading what clients send: every fault is found, and named with its place.

use std::collections::BTreeMap;
use std::fmt::Display;

use lambda_http::http::header;
use lambda_http::{Request, RequestExt};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::problem::{Fault, Kind, Problem};

/// The fields of a JSON object, read one by one; faults are collected on the way.
#[derive(Debug)]
pub struct Fields {
    unread: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Fields {
    /// The fields of a request's body. Where there is one, the query has no parameters.
    pub fn of(request: &Request) -> Result<Self, Problem> {
        let media_type = request.headers().get(header::CONTENT_TYPE);
        if !media_type.is_none_or(|value| value.to_str().is_ok_and(is_json)) {
            let detail = "say `Content-Type: application/json`";
            return Err(Problem::client(Kind::UnsupportedMediaType, detail));
        }
        let invalid = |detail: String| Problem::invalid(vec![Fault::at("", detail)]);
        match serde_json::from_slice(request.body()) {
            Ok(Value::Object(unread)) => Ok(Self { unread, faults: Params::of(request).faults() }),
            Ok(_) => Err(invalid("the body must be a JSON object".to_owned())),
            Err(error) => Err(invalid(format!("the body is not JSON: {error}"))),
        }
    }

    /// A field that must be there.
    pub fn required<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, E>,
    ) -> Option<T> {
        match self.unread.remove(name) {
            None => {
                self.fault(Fault::at(pointer(name), "this field is required"));
                None
            }
            Some(value) => self.parsed(name, &value, parse),
        }
    }

    /// A field that may be missing or `null`, which mean the same.
    pub fn optional<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, E>,
    ) -> Option<T> {
        self.nullable(name, parse).flatten()
    }

    /// A field of an edit that cannot be taken away: missing means «as it is».
    pub fn change<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.unread.remove(name)?;
        self.parsed(name, &value, parse)
    }

    /// A field of an edit that `null` takes away: `None` is «as it is», `Some(None)` «away».
    pub fn nullable<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, E>,
    ) -> Option<Option<T>> {
        let value = self.unread.remove(name)?;
        if value.is_null() { Some(None) } else { self.parsed(name, &value, parse).map(Some) }
    }

    /// A list of strings, each parsed on its own, so that each fault has its own pointer.
    pub fn list<T, E: Display>(
        &mut self,
        name: &str,
        max: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let value = self.unread.remove(name)?;
        let Value::Array(items) = value else {
            self.fault(Fault::at(pointer(name), "this must be a list of strings"));
            return None;
        };
        if max < items.len() {
            // One fault instead of thousands.
            self.fault(Fault::at(pointer(name), format!("this list has at most {max} items")));
            return None;
        }
        let mut parsed = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            match text(&parse)(item) {
                Ok(item) => parsed.push(item),
                Err(detail) => self.fault(Fault::at(format!("/{name}/{at}"), detail)),
            }
        }
        (parsed.len() == items.len()).then_some(parsed)
    }

    /// The same for a list that must be there.
    pub fn required_list<T, E: Display>(
        &mut self,
        name: &str,
        max: usize,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        if !self.unread.contains_key(name) {
            self.fault(Fault::at(pointer(name), "this field is required"));
        }
        self.list(name, max, parse)
    }

    /// Notes something that is wrong.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Ends the reading: what was read, or every fault at once, with the fields that nobody knows.
    /// What was read is there unless there was a fault.
    pub fn finish<T>(mut self, read: Option<T>) -> Result<T, Problem> {
        let unknown = self.unread.keys().map(|name| pointer(name));
        let unknown: Vec<_> = unknown.collect();
        for pointer in unknown {
            self.fault(Fault::at(pointer, "there is no such field"));
        }
        read.filter(|_| self.faults.is_empty()).ok_or_else(|| Problem::invalid(self.faults))
    }

    fn parsed<T, E: Display>(
        &mut self,
        name: &str,
        value: &Value,
        parse: impl FnOnce(&Value) -> Result<T, E>,
    ) -> Option<T> {
        parse(value).map_err(|e| self.fault(Fault::at(pointer(name), e))).ok()
    }
}

/// Reads a JSON string by a parser of text.
pub fn text<T, E: Display>(
    parse: impl Fn(&str) -> Result<T, E>,
) -> impl Fn(&Value) -> Result<T, String> {
    move |value| {
        let text = value.as_str().ok_or("this must be a string")?;
        parse(text).map_err(|e| e.to_string())
    }
}

/// Reads a JSON whole number that is not negative.
pub fn number(value: &Value) -> Result<u64, &'static str> {
    let is_large = || value.as_f64().is_some_and(|it| it.fract() == 0.0 && 9e15 < it);
    match value.as_u64().or_else(|| whole(value)) {
        Some(number) => Ok(number),
        None if is_large() => Err("this number is too large"),
        None => Err("this must be a whole number, not negative"),
    }
}

/// JSON knows one kind of numbers, and some languages write a whole one as `1.0`. Up to 2^53, where
/// a float still says which number was meant.
fn whole(value: &Value) -> Option<u64> {
    let number = value.as_f64().filter(|it| it.fract() == 0.0 && (0.0..=9e15).contains(it))?;
    format!("{number:.0}").parse().ok()
}

/// Reads `true` or `false`.
pub fn boolean(value: &Value) -> Result<bool, &'static str> {
    value.as_bool().ok_or("this must be `true` or `false`")
}

/// The query's parameters, read one by one; faults are collected on the way.
#[derive(Debug)]
pub struct Params {
    unread: BTreeMap<String, Vec<String>>,
    faults: Vec<Fault>,
}

impl Params {
    /// The parameters of a request's query.
    pub fn of(request: &Request) -> Self {
        let mut unread = BTreeMap::<_, Vec<_>>::new();
        let query = request.query_string_parameters_ref();
        for (name, value) in query.iter().flat_map(|query| query.iter()) {
            unread.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        Self { unread, faults: Vec::new() }
    }

    /// A parameter that may be missing.
    pub fn optional<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let texts = self.unread.remove(name)?;
        let [text] = texts.as_slice() else {
            self.fault(Fault::parameter(name, "this parameter stands twice"));
            return None;
        };
        parse(text).map_err(|e| self.fault(Fault::parameter(name, e))).ok()
    }

    /// All values of a parameter that may stand several times.
    pub fn all(&mut self, name: &str) -> Vec<String> {
        self.unread.remove(name).unwrap_or_default()
    }

    /// How many items a page has: `limit`, 1 to 100, 25 if not given.
    pub fn limit(&mut self) -> usize {
        let parse = |text: &str| match text.parse() {
            Ok(limit @ 1..=100) => Ok(limit),
            Ok(_) | Err(_) => Err("this must be a number from 1 to 100"),
        };
        self.optional("limit", parse).unwrap_or(25)
    }

    /// Notes something that is wrong.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Ends the reading: every fault at once, with every parameter that nobody knows.
    ///
    /// A mistyped `?tags=` that listed everything would be worse than a refusal. Where there is
    /// nothing to read, `Params::of(request).finish()?` refuses them all.
    pub fn finish(self) -> Result<(), Problem> {
        let faults = self.faults();
        if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
    }

    fn faults(self) -> Vec<Fault> {
        let unknown = self.unread.into_keys();
        let unknown = unknown.map(|name| Fault::parameter(name, "there is no such parameter"));
        self.faults.into_iter().chain(unknown).collect()
    }
}

/// A path parameter, decoded; empty if the route has none of this name.
///
/// Gateways differ in whether they have decoded it already; where a `%` is no part of what is
/// looked for, decoding twice does no harm.
pub fn path(request: &Request, name: &str) -> String {
    let parameters = request.path_parameters_ref();
    let text = parameters.and_then(|all| all.first(name)).unwrap_or_default();
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What `If-Match` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whatever version is there.
    Any,
    /// One of these opaque tags, with their quotes.
    Tags(Vec<String>),
}

impl IfMatch {
    /// Reads the header, if there is one.
    pub fn of(request: &Request) -> Result<Option<Self>, Problem> {
        let mut tags = Vec::new();
        for value in request.headers().get_all(header::IF_MATCH) {
            for tag in value.to_str().unwrap_or_default().split(',').map(str::trim) {
                match tag {
                    "*" => return Ok(Some(Self::Any)),
                    tag if is_entity_tag(tag) => tags.push(tag.to_owned()),
                    _ => {
                        let detail = "`If-Match` is `*` or a list of quoted entity tags";
                        return Err(Problem::invalid(vec![Fault::header("If-Match", detail)]));
                    }
                }
            }
        }
        Ok((!tags.is_empty()).then_some(Self::Tags(tags)))
    }

    /// Whether a version with this tag will do. Weak tags never match (RFC 9110, 13.1.1).
    pub fn admits(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| tag == etag),
        }
    }
}

fn is_entity_tag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    2 <= opaque.len()
        && opaque.starts_with('"')
        && opaque.ends_with('"')
        && !opaque[1..opaque.len() - 1].contains('"')
}

/// A JSON pointer to a field of the body.
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || essence.starts_with("application/") && essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;

    use super::*;

    fn fields(body: &str) -> Result<Fields, Problem> {
        Fields::of(&Request::new(Body::from(body)))
    }

    fn faults(problem: Problem) -> String {
        let response = problem.into_response("r");
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        body["errors"].to_string()
    }

    #[test]
    fn every_fault_is_found_at_once() {
        let mut fields = fields(r#"{"n": -1, "l": ["a", 1, "b"], "x/y~": 0}"#).unwrap();
        fields.required("n", number);
        fields.required("m", number);
        fields.list("l", 9, |item| if item == "b" { Err("no b") } else { Ok(()) });
        fields.required_list("k", 9, |_| Ok::<_, String>(()));
        let faults = faults(fields.finish(Some(())).unwrap_err());
        for pointer in ["/n", "/m", "/l/1", "/l/2", "/k", "/x~1y~0"] {
            assert!(faults.contains(&format!("\"pointer\":\"{pointer}\"")), "{pointer}: {faults}");
        }
    }

    #[test]
    fn a_body_full_of_unknown_fields_gets_no_larger_answer() {
        let body: Vec<_> = (0..30_000).map(|n| format!("\"{n}\":1")).collect();
        let body = format!("{{{}}}", body.join(","));
        let problem = fields(&body).unwrap().finish(Some(())).unwrap_err();
        let answer = problem.into_response("r");
        let answer: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(answer["errors"].as_array().unwrap().len(), 100);
        let detail = "30000 things are wrong; `errors` lists the first 100 of them";
        assert_eq!(answer["detail"], detail);
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let read = |text: &str| number(&serde_json::from_str(text).unwrap()).ok();
        assert_eq!(read("101.0"), Some(101));
        assert_eq!(read("1e3"), Some(1000));
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        for text in ["1.5", "-1", "-1.0", "1e300", "\"1\"", "null"] {
            assert_eq!(read(text), None, "{text}");
        }
        for text in ["1e30", "1000000000000000000000000000000"] {
            assert_eq!(
                number(&serde_json::from_str(text).unwrap()),
                Err("this number is too large")
            );
        }
    }

    #[test]
    fn missing_null_and_given_are_three_things_in_an_edit() {
        let mut fields = fields(r#"{"a": null, "b": 1, "d": null}"#).unwrap();
        assert_eq!(fields.nullable("a", number), Some(None));
        assert_eq!(fields.nullable("b", number), Some(Some(1)));
        assert_eq!(fields.nullable("c", number), None);
        assert_eq!(fields.change("d", number), None);
        assert!(faults(fields.finish(Some(())).unwrap_err()).contains("/d"));
    }

    #[test]
    fn what_is_not_a_json_object_is_refused() {
        for body in ["", "[]", "1", "{", "{\"a\":}", "\u{feff}{}"] {
            assert_eq!(fields(body).unwrap_err().kind(), Kind::InvalidRequest, "{body:?}");
        }
        let mut form = Request::new(Body::from("{}"));
        let value = "application/x-www-form-urlencoded".parse().unwrap();
        form.headers_mut().insert(header::CONTENT_TYPE, value);
        assert_eq!(Fields::of(&form).unwrap_err().kind(), Kind::UnsupportedMediaType);
        let value = "application/merge-patch+json; charset=utf-8".parse().unwrap();
        form.headers_mut().insert(header::CONTENT_TYPE, value);
        assert!(Fields::of(&form).is_ok());
    }

    #[test]
    fn if_match_is_read_by_the_book() {
        let read = |value: &str| {
            let mut request = Request::default();
            request.headers_mut().insert(header::IF_MATCH, value.parse().unwrap());
            IfMatch::of(&request)
        };
        assert!(read("\"1\", \"2\"").unwrap().unwrap().admits("\"2\""));
        assert!(!read("W/\"2\"").unwrap().unwrap().admits("\"2\""));
        assert_eq!(read("*").unwrap(), Some(IfMatch::Any));
        assert!(read("2").is_err());
        assert!(read("\"").is_err());
        assert_eq!(IfMatch::of(&Request::default()).unwrap(), None);
    }
}
