//! Writing JSON straight into a buffer: events are built for every request, and have no types.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A JSON object under construction.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Writes an object, with what `fill` puts into it.
    pub(crate) fn write(out: &'a mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
        out.push(b'{');
        let mut object = Object { out, is_empty: true };
        fill(&mut object);
        object.out.push(b'}');
    }

    /// Writes a name, and gives the place for its value.
    pub(crate) fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        text(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        text(self.name(name), value);
    }

    /// Bytes in base 64, which are written without a copy: bodies can be large.
    pub(crate) fn base64(&mut self, name: &str, bytes: &[u8]) {
        let out = self.name(name);
        out.push(b'"');
        let start = out.len();
        out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
        BASE64.encode_slice(bytes, &mut out[start..]).expect("four characters for three bytes");
        out.push(b'"');
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, name: &str, value: &str) {
        self.name(name).extend_from_slice(value.as_bytes());
    }

    pub(crate) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        Object::write(self.name(name), fill);
    }

    /// A list of an object for each item.
    pub(crate) fn objects<T>(
        &mut self,
        name: &str,
        items: &[T],
        mut fill: impl FnMut(&mut Object<'_>, &T),
    ) {
        let out = self.name(name);
        out.push(b'[');
        for (at, item) in items.iter().enumerate() {
            if 0 < at {
                out.push(b',');
            }
            Object::write(out, |object| fill(object, item));
        }
        out.push(b']');
    }

    pub(crate) fn list<'t>(&mut self, name: &str, items: impl IntoIterator<Item = &'t str>) {
        let out = self.name(name);
        out.push(b'[');
        for (at, item) in items.into_iter().enumerate() {
            if 0 < at {
                out.push(b',');
            }
            text(out, item);
        }
        out.push(b']');
    }
}

/// Writes a JSON string.
pub(crate) fn text(out: &mut Vec<u8>, value: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = value.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if 0x1f < byte && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                let digits = [HEX[usize::from(other >> 4)], HEX[usize::from(other & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}
