//! Reading what forms send: `application/x-www-form-urlencoded`, as OAuth clients do.

use std::collections::BTreeMap;
use std::fmt;

use lambda_http::Request;
use lambda_http::http::header;
use percent_encoding::percent_decode_str;

/// The one media type of such a body.
const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// The parameters of a form's body. Its values may be secrets: `Debug` shows the names alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Form(BTreeMap<String, String>);

/// Why a body is not taken as a form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It says that it is something else.
    #[error("say `Content-Type: application/x-www-form-urlencoded`")]
    MediaType,
    /// Its bytes are no text.
    #[error("the body is not UTF-8")]
    Encoding,
    /// Two values of one name: readers could take either (RFC 6749, 3.2).
    #[error("a parameter stands twice")]
    Repeated,
}

impl Form {
    /// The parameters of a request's body. One without a value counts as left out (RFC 6749, 3.2).
    pub fn of(request: &Request) -> Result<Self, FormError> {
        let media_type = request.headers().get(header::CONTENT_TYPE);
        if !media_type.is_some_and(|value| value.to_str().is_ok_and(is_form)) {
            return Err(FormError::MediaType);
        }
        Self::parse(request.body())
    }

    /// The parameters of a request's query, which OAuth writes like a form's.
    pub fn of_query(request: &Request) -> Result<Self, FormError> {
        Self::parse(request.uri().query().unwrap_or_default().as_bytes())
    }

    fn parse(body: &[u8]) -> Result<Self, FormError> {
        let body = std::str::from_utf8(body).map_err(|_| FormError::Encoding)?;
        let mut parameters = BTreeMap::new();
        for pair in body.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if parameters.insert(decoded(name)?, decoded(value)?).is_some() {
                return Err(FormError::Repeated);
            }
        }
        parameters.retain(|_, value| !value.is_empty());
        Ok(Self(parameters))
    }

    /// A parameter, if it has a value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// One name or value of a form, decoded: also what stands in `Authorization: Basic` of OAuth
/// clients (RFC 6749, 2.3.1).
pub fn decoded(text: &str) -> Result<String, FormError> {
    let spaced = text.replace('+', " ");
    let text = percent_decode_str(&spaced).decode_utf8().map_err(|_| FormError::Encoding)?;
    Ok(text.into_owned())
}

fn is_form(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(MEDIA_TYPE)
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Form").field(&self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;

    use super::*;

    fn form(media_type: Option<&str>, body: &[u8]) -> Result<Form, FormError> {
        let mut request = Request::new(Body::from(body));
        if let Some(media_type) = media_type {
            request.headers_mut().insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        }
        Form::of(&request)
    }

    #[test]
    fn a_query_is_read_like_a_form() {
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = "https://go.example.com/x?a=b+c&d=%26".parse().unwrap();
        let form = Form::of_query(&request).unwrap();
        assert_eq!((form.get("a"), form.get("d")), (Some("b c"), Some("&")));
        *request.uri_mut() = "/x?a=1&a=2".parse().unwrap();
        assert_eq!(Form::of_query(&request), Err(FormError::Repeated));
        *request.uri_mut() = "/x".parse().unwrap();
        assert!(Form::of_query(&request).is_ok());
    }

    fn read(body: &str) -> Result<Form, FormError> {
        form(Some(MEDIA_TYPE), body.as_bytes())
    }

    #[test]
    fn parameters_are_decoded() {
        let form = read("a=1&b=two+words&%63=%C3%A9%26%3D%2B&&d=x=y&empty=&alone").unwrap();
        let get = |name| form.get(name).unwrap_or("-");
        assert_eq!(["a", "b", "c", "d"].map(get), ["1", "two words", "é&=+", "x=y"]);
        assert_eq!(["empty", "alone", "e"].map(get), ["-"; 3]);
        assert!(read("").is_ok());
    }

    #[test]
    fn a_parameter_that_stands_twice_is_refused_however_it_is_spelled() {
        for body in ["a=1&a=2", "a=1&a=1", "a=1&%61=2", "a&a", "a=&a=1"] {
            assert_eq!(read(body), Err(FormError::Repeated), "{body}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for media_type in [None, Some("application/json"), Some("multipart/form-data")] {
            assert_eq!(form(media_type, b"a=1"), Err(FormError::MediaType), "{media_type:?}");
        }
        let spelled = "Application/X-WWW-Form-Urlencoded; charset=UTF-8";
        assert!(form(Some(spelled), b"a=1").is_ok());
        assert_eq!(form(Some(MEDIA_TYPE), b"a=\xff"), Err(FormError::Encoding));
        assert_eq!(read("a=%FF"), Err(FormError::Encoding));
        assert_eq!(read("a=%zz%").unwrap().get("a"), Some("%zz%"));
    }

    #[test]
    fn debug_output_hides_the_values() {
        let shown = format!("{:?}", read("password=hunter2").unwrap());
        assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
    }
}
