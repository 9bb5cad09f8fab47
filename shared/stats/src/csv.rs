//! Lines of values between commas (RFC 4180), safe to open in a spreadsheet.

/// A table as text.
#[derive(Debug, Default)]
pub(crate) struct Csv {
    text: String,
}

impl Csv {
    /// A table with these names of columns.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut csv = Self::default();
        csv.line(columns.iter().map(|column| (*column).to_owned()));
        csv
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, values: impl IntoIterator<Item = String>) {
        for (number, value) in values.into_iter().enumerate() {
            if 0 < number {
                self.text.push(',');
            }
            self.text.push_str(&quoted(&safe(value)));
        }
        self.text.push_str("\r\n");
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// A value that no spreadsheet takes for a formula: what people write into a link may come from
/// anywhere, and a `'` before it says that it is text.
fn safe(value: String) -> String {
    if value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{value}")
    } else {
        value
    }
}

fn quoted(value: &str) -> String {
    if value.contains([',', '"', '\r', '\n']) || value.starts_with(' ') || value.ends_with(' ') {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_where_they_must_be_and_are_no_formulas() {
        let mut csv = Csv::new(&["dimension", "value"]);
        for value in ["Berlin, DE", "say \"hi\"", "=1+1", "@a,b", "-1", "a\r\nb", "", "plain"] {
            csv.line(["city".to_owned(), value.to_owned()]);
        }
        let lines = [
            "dimension,value",
            "city,\"Berlin, DE\"",
            "city,\"say \"\"hi\"\"\"",
            "city,'=1+1",
            "city,\"'@a,b\"",
            "city,'-1",
            "city,\"a\r\nb\"",
            "city,",
            "city,plain",
            "",
        ];
        assert_eq!(csv.into_text(), lines.join("\r\n"));
    }
}
