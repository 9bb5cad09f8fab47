//! Charts as SVG, legible on a light page and on a dark one.

use std::fmt::Write;

const WIDTH: f64 = 760.0;

/// Left of it are the names of bars, or the numbers of an axis.
const LEFT: f64 = 320.0;
const AXIS: f64 = 70.0;

/// What is between a bar and the next one's.
const STEP: f64 = 20.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-size:15px;font-weight:600}.s{fill:#57606a}\
.p{fill:#fff}.g{stroke:#d0d7de}.l{stroke-width:2}\
.c0{fill:#0969da;stroke:#0969da}.c1{fill:#bc4c00;stroke:#bc4c00}.c2{fill:#1a7f37;stroke:#1a7f37}\
.c3{fill:#8250df;stroke:#8250df}.c4{fill:#cf222e;stroke:#cf222e}.c5{fill:#6e7781;stroke:#6e7781}\
.c6{fill:#bf3989;stroke:#bf3989}.c7{fill:#9a6700;stroke:#9a6700}\
path.l{fill:none}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.p{fill:#0d1117}.g{stroke:#3d444d}\
.c0{fill:#58a6ff;stroke:#58a6ff}.c1{fill:#f0883e;stroke:#f0883e}.c2{fill:#3fb950;stroke:#3fb950}\
.c3{fill:#bc8cff;stroke:#bc8cff}.c4{fill:#ff7b72;stroke:#ff7b72}.c5{fill:#9198a1;stroke:#9198a1}\
.c6{fill:#f778ba;stroke:#f778ba}.c7{fill:#d29922;stroke:#d29922}}";

const COLOURS: usize = 8;

/// What of a name fits in front of a bar.
const LETTERS: usize = 46;

/// Values under a common name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series<T> {
    pub(crate) name: String,
    pub(crate) values: Vec<T>,
}

/// Bars, a group for each label with a bar for each series. With `log` each step to the right is ten
/// times as much, and a bar begins at the power of ten below the smallest.
pub(crate) fn bars(title: &str, labels: &[String], series: &[Series<f64>], log: bool) -> String {
    let count = f64_of(labels.len() * series.len());
    let gap = if series.len() == 1 { 0.0 } else { 10.0 };
    let legend = if series.len() == 1 { 0.0 } else { 24.0 };
    let top = 44.0 + legend;
    let height = top + count * STEP + f64_of(labels.len()) * gap + 12.0;
    let all = || series.iter().flat_map(|series| series.values.iter().copied());
    let most = all().fold(0.0, f64::max);
    let least = all().filter(|value| 0.0 < *value).fold(f64::INFINITY, f64::min);
    let room = WIDTH - LEFT - 90.0;
    let length = |value: f64| {
        let part = if log {
            let from = least.log10().floor() - 0.2;
            (value.max(least).log10() - from) / (most.log10() - from)
        } else {
            value / most
        };
        if most <= 0.0 { 0.0 } else { (part * room).max(1.0) }
    };
    let mut svg = begun(title, height);
    if series.len() != 1 {
        // Two names, or three: they fit.
        named(&mut svg, 12.0, 52.0, series.iter().map(|series| series.name.as_str()));
    }
    let mut y = top;
    for (at, label) in labels.iter().enumerate() {
        let middle = y + STEP * f64_of(series.len()) / 2.0 + 4.0;
        let x = LEFT - 10.0;
        let _ = write!(svg, r#"<text x="{x}" y="{middle:.0}" text-anchor="end">"#);
        let whole = label.chars().count() <= LETTERS;
        let fits: String = label.chars().take(LETTERS - 1).collect();
        let fits = if whole { label.clone() } else { fits + "…" };
        let _ = write!(svg, "{}</text>", escaped(&fits));
        for (number, series) in series.iter().enumerate() {
            let value = series.values.get(at).copied().unwrap_or(0.0);
            let (width, colour) = (length(value), number % COLOURS);
            let _ = write!(
                svg,
                r#"<rect class="c{colour}" x="{LEFT}" y="{:.0}" width="{width:.1}" height="14" stroke="none"/>"#,
                y + 2.0
            );
            let (x, below) = (LEFT + width + 6.0, y + 13.5);
            let _ = write!(svg, r#"<text x="{x:.1}" y="{below:.1}">{}</text>"#, short(value));
            y += STEP;
        }
        y += gap;
    }
    svg + "</svg>\n"
}

/// Lines over two axes. With `log` both are logarithmic.
pub(crate) fn lines(
    title: &str,
    [x_name, y_name]: [&str; 2],
    series: &[Series<(f64, f64)>],
    log: bool,
) -> String {
    let names = || series.iter().map(|series| series.name.as_str());
    let mut legend = String::new();
    let top = named(&mut legend, AXIS, 52.0, names()) + 40.0;
    let (bottom, height) = (top + 248.0, top + 296.0);
    let points = || series.iter().flat_map(|series| series.values.iter().copied());
    let horizontal = Axis::over(points().map(|(x, _)| x), log, [AXIS, WIDTH - 40.0]);
    let vertical = Axis::over(points().map(|(_, y)| y), log, [bottom, top]);
    let mut svg = begun(title, height) + &legend;
    for (value, y) in vertical.ticks() {
        let right = WIDTH - 40.0;
        let _ = write!(
            svg,
            r#"<path class="g" d="M{AXIS} {y:.1}H{right}"/><text class="s" x="{:.0}" y="{:.1}" text-anchor="end">{}</text>"#,
            AXIS - 8.0,
            y + 4.0,
            short(value)
        );
    }
    for (value, x) in horizontal.ticks() {
        let below = bottom + 18.0;
        let _ = write!(
            svg,
            r#"<path class="g" d="M{x:.1} {bottom}v5"/><text class="s" x="{x:.1}" y="{below}" text-anchor="middle">{}</text>"#,
            short(value)
        );
    }
    let _ = write!(
        svg,
        r#"<text class="s" x="{:.0}" y="{:.0}" text-anchor="middle">{}</text><text class="s" x="12" y="{}">{}</text>"#,
        f64::midpoint(AXIS, WIDTH),
        bottom + 36.0,
        escaped(x_name),
        top - 14.0,
        escaped(y_name)
    );
    for (number, series) in series.iter().enumerate() {
        let colour = number % COLOURS;
        let mut path = String::new();
        let mut dots = String::new();
        for (at, (x, y)) in series.values.iter().enumerate() {
            let (x, y) = (horizontal.place(*x), vertical.place(*y));
            let _ = write!(path, "{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' });
            let _ = write!(dots, r#"<circle class="c{colour}" cx="{x:.1}" cy="{y:.1}" r="3"/>"#);
        }
        let _ = write!(svg, r#"<path class="l c{colour}" d="{path}"/>{dots}"#);
    }
    svg + "</svg>\n"
}

/// From values to places on the page.
struct Axis {
    least: f64,
    most: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    /// Over all values; one that is not logarithmic begins at zero.
    fn over(values: impl Iterator<Item = f64> + Clone, log: bool, [from, to]: [f64; 2]) -> Self {
        let most = values.clone().fold(f64::MIN_POSITIVE, f64::max);
        let least = values.filter(|value| 0.0 < *value).fold(most, f64::min);
        if !log {
            let step = step(most);
            return Self { least: 0.0, most: (most / step).ceil() * step, log, from, to };
        }
        let (least, most) = (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()));
        Self { least, most: if least < most { most } else { least * 10.0 }, log, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let part = if self.log {
            let value = value.max(self.least);
            (value / self.least).log10() / (self.most / self.least).log10()
        } else {
            (value - self.least) / (self.most - self.least)
        };
        self.from + part * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<(f64, f64)> {
        let mut ticks = Vec::new();
        let mut value = self.least;
        while value <= self.most * 1.000_001 {
            ticks.push((value, self.place(value)));
            value = if self.log { value * 10.0 } else { value + step(self.most) };
        }
        ticks
    }
}

/// A round distance, of which there are at most six up to `most`.
fn step(most: f64) -> f64 {
    let power = 10_f64.powf(most.log10().floor());
    [0.2, 0.5, 1.0, 2.0]
        .map(|part| part * power)
        .into_iter()
        .find(|step| most / step <= 6.0)
        .unwrap_or(power)
}

fn begun(title: &str, height: f64) -> String {
    let title = escaped(title);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{title}">
<style>{STYLE}</style><rect class="p" width="100%" height="100%"/><text class="t" x="12" y="26">{title}</text>
"#
    )
}

/// The names of the series in their colours, in as many rows as they need; says where the last one is.
fn named<'a>(svg: &mut String, left: f64, mut y: f64, names: impl Iterator<Item = &'a str>) -> f64 {
    let mut x = left;
    for (number, name) in names.enumerate() {
        // About what a letter takes.
        let width = 34.0 + 6.8 * f64_of(name.chars().count());
        if left < x && WIDTH < x + width {
            x = left;
            y += 20.0;
        }
        let colour = number % COLOURS;
        let _ = write!(
            svg,
            r#"<rect class="c{colour}" x="{x:.0}" y="{:.0}" width="10" height="10"/><text x="{:.0}" y="{y}">{}</text>"#,
            y - 10.0,
            x + 15.0,
            escaped(name)
        );
        x += width;
    }
    y
}

/// A number by three digits.
fn short(value: f64) -> String {
    let size = value.abs();
    let (value, unit) = if 999_500.0 <= size {
        (value / 1e6, "M")
    } else if 9_999.5 <= size {
        (value / 1e3, "k")
    } else {
        (value, "")
    };
    let text = match value.abs() {
        size if 99.95 <= size => format!("{value:.0}"),
        size if 9.995 <= size => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    // What is not nothing shall not look like it.
    if text == "0" && value != 0.0 { format!("{value:.4}") } else { text + unit }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn f64_of(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_nothing_looks_like_nothing_but_nothing() {
        for (number, text) in [
            (0.0, "0"),
            (0.0004, "0.0004"),
            (1.5, "1.5"),
            (2.188, "2.19"),
            (99.96, "100"),
            (4_310.0, "4310"),
            (27_816.0, "27.8k"),
            (999_600.0, "1M"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn an_axis_has_round_ticks_from_its_beginning_to_its_end() {
        let axis = Axis::over([3.0, 27_816.0].into_iter(), false, [0.0, 300.0]);
        let ticks = axis.ticks();
        assert_eq!(ticks.first(), Some(&(0.0, 0.0)));
        assert_eq!(ticks.last(), Some(&(30_000.0, 300.0)));
        let axis = Axis::over([3.0, 270.0].into_iter(), true, [0.0, 300.0]);
        let values: Vec<_> = axis.ticks().into_iter().map(|(value, _)| value).collect();
        assert_eq!(values, [1.0, 10.0, 100.0, 1_000.0]);
    }

    #[test]
    fn names_that_do_not_fit_go_on_in_the_next_row() {
        let mut svg = String::new();
        let name = "a name of some twenty letters";
        assert_eq!(named(&mut svg, 70.0, 52.0, [name].into_iter()), 52.0);
        assert_eq!(named(&mut svg, 70.0, 52.0, [name; 5].into_iter()), 92.0);
    }

    #[test]
    fn a_bar_is_as_long_as_its_value_says() {
        let series = [Series { name: "ms".to_owned(), values: vec![50.0, 100.0] }];
        let svg = bars("<title>", &["a & b".to_owned(), "c".to_owned()], &series, false);
        assert!(svg.contains("&lt;title>") && svg.contains("a &amp; b"), "{svg}");
        assert!(svg.contains(r#"width="175.0""#) && svg.contains(r#"width="350.0""#), "{svg}");
    }
}
