//! Which methods an address has: the paths of `openapi.yaml`, which is the only list of routes.

use std::str::FromStr;

use lambda::Method;

const CONTRACT: &str = include_str!("../../../openapi.yaml");

/// The routes of the service.
#[derive(Debug, Clone)]
pub(crate) struct Routes(Vec<(&'static str, Vec<Method>)>);

impl Routes {
    /// Reads them out of the contract by its layout, since a parser of YAML would be most of this
    /// function: a path is a key with two spaces before it, a method one with four. A test of the
    /// contract compares.
    pub(crate) fn read() -> Self {
        let mut routes: Vec<(&'static str, Vec<Method>)> = Vec::new();
        let paths = CONTRACT.lines().skip_while(|line| *line != "paths:").skip(1);
        for line in paths.take_while(|line| line.is_empty() || line.starts_with(' ')) {
            let Some(key) = line.strip_suffix(':') else { continue };
            if let Some(path) = key.strip_prefix("  ").filter(|key| key.starts_with('/')) {
                routes.push((path, Vec::new()));
            } else if let Some(word) = key.strip_prefix("    ")
                && word.chars().all(|letter| letter.is_ascii_lowercase())
                && word != "parameters"
                && let Ok(method) = Method::from_str(&word.to_uppercase())
                && let Some((_, methods)) = routes.last_mut()
            {
                methods.push(method);
            }
        }
        Self(routes)
    }

    /// The other methods of a path, as `Allow` lists them. `None` if nothing is there, or if the
    /// method is one of them and the gateway has its own reasons to find no route.
    pub(crate) fn others(&self, method: &Method, path: &str) -> Option<String> {
        let fits = || self.0.iter().filter(|(template, _)| is_of(template, path));
        // What has a path of its own is not one of those that a template stands for.
        let least = fits().map(|(template, _)| template.matches('{').count()).min()?;
        let fits = fits().filter(|(template, _)| template.matches('{').count() == least);
        let mut methods: Vec<_> =
            fits.flat_map(|(_, methods)| methods).map(Method::as_str).collect();
        methods.sort_unstable();
        methods.dedup();
        let others = !methods.is_empty() && !methods.contains(&method.as_str());
        others.then(|| methods.join(", "))
    }
}

/// Whether a path is one of a template, in which `{name}` stands for any segment.
fn is_of(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let fits = template.split('/').all(|asked| {
        segments.next().is_some_and(|segment| match asked.starts_with('{') {
            true => !segment.is_empty(),
            false => asked == segment,
        })
    });
    fits && segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_stands_for_whole_segments() {
        assert!(is_of("/a/{id}", "/a/b"));
        for path in ["/a/", "/a", "/a/b/", "/a/b/c", "/b/b", "a/b", ""] {
            assert!(!is_of("/a/{id}", path), "{path:?}");
        }
        assert!(is_of("/", "/"));
    }

    #[test]
    fn the_contract_is_read() {
        let others = |path| Routes::read().others(&Method::PUT, path);
        assert_eq!(others("/").as_deref(), Some("GET, HEAD"));
        assert_eq!(others("/spring").as_deref(), Some("GET, HEAD"));
        assert_eq!(others("/api/v1/links").as_deref(), Some("GET, POST"));
        assert_eq!(others("/api/v1/links/x").as_deref(), Some("DELETE, GET, PATCH"));
        assert_eq!(others("/api/v1"), None);
        assert_eq!(Routes::read().others(&Method::GET, "/spring"), None);
    }
}
