//! Bars with their range, as SVG.

use std::fmt::Write as _;

use crate::sample::{Figures, Median};

/// A plot.
pub(super) struct Plot {
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    pub(super) svg: String,
}

/// What a plot shows of scenarios.
struct Shown {
    file: &'static str,
    title: &'static str,
    scenarios: &'static [&'static str],
    of: fn(&Figures) -> Option<Median>,
}

const AT_1000: &[&str] = &[
    "grpc-mtls-2hops@1000",
    "grpc-plain-1hop@1000",
    "http1-mtls-2hops@1000",
    "config-changes",
];

const SHOWN: [Shown; 8] = [
    Shown {
        file: "cpu-saturated.svg",
        title: "CPU, us/request, saturated",
        scenarios: &[
            "grpc-mtls-2hops",
            "grpc-plain-1hop",
            "http1-mtls-2hops",
            "grpc-big-headers",
            "grpc-streaming",
        ],
        of: |f| Some(f.cpu_us_per_request),
    },
    Shown {
        file: "cpu-1000.svg",
        title: "CPU, us/request, at 1,000 requests a second",
        scenarios: AT_1000,
        of: |f| Some(f.cpu_us_per_request),
    },
    Shown {
        file: "p50-1000.svg",
        title: "p50, ms, at 1,000 requests a second",
        scenarios: AT_1000,
        of: |f| Some(f.p50_ms),
    },
    Shown {
        file: "p99-1000.svg",
        title: "p99, ms, at 1,000 requests a second",
        scenarios: AT_1000,
        of: |f| Some(f.p99_ms),
    },
    Shown {
        file: "cpu-bulk.svg",
        title: "CPU, us for 10 MiB",
        scenarios: &[
            "bodies-download",
            "bodies-upload",
            "tcp-plain-1hop",
            "tcp-mtls-2hops",
        ],
        of: |f| Some(f.cpu_us_per_request),
    },
    Shown {
        file: "cpu-handshakes.svg",
        title: "CPU, us for a handshake of mutual TLS",
        scenarios: &["handshake-full", "handshake-resumed"],
        of: |f| Some(f.cpu_us_per_request),
    },
    Shown {
        file: "memory-services.svg",
        title: "memory, MiB, by services known",
        scenarios: &[
            "services-1",
            "services-100",
            "services-1000",
            "services-10000",
        ],
        of: |f| Some(f.rss_mib),
    },
    Shown {
        file: "memory-connections.svg",
        title: "memory of an idle connection, bytes",
        scenarios: &[
            "idle-plain-1000",
            "idle-plain-10000",
            "idle-mtls-1000",
            "idle-mtls-10000",
        ],
        of: |f| f.bytes_per_connection,
    },
];

/// The plots for which there are figures.
pub(super) fn all(figures: &[Figures]) -> Vec<Plot> {
    SHOWN
        .iter()
        .filter_map(|shown| draw(shown, figures))
        .collect()
}

/// Where the bars begin, and the room that they and their whiskers have.
const LEFT: f64 = 90.0;
const ROOM: f64 = 520.0;
/// For the figure beside a bar.
const BESIDE: f64 = 90.0;
const BAR: f64 = 20.0;
const HEADING: f64 = 30.0;

fn draw(shown: &Shown, figures: &[Figures]) -> Option<Plot> {
    let groups: Vec<(&str, Vec<(&Figures, Median)>)> = shown
        .scenarios
        .iter()
        .map(|scenario| {
            let of_it = figures.iter().filter(|f| f.scenario == *scenario);
            let bars = of_it.filter_map(|f| Some((f, (shown.of)(f)?)));
            (*scenario, bars.filter(|(_, m)| m.value > 0.0).collect())
        })
        .filter(|(_, bars): &(_, Vec<_>)| !bars.is_empty())
        .collect();
    let bars = || groups.iter().flat_map(|(_, bars)| bars);
    let most = bars().map(|(_, m)| m.most).fold(0.0, f64::max);
    if most == 0.0 {
        return None;
    }
    let step = step(most);
    let scale = ROOM / ((most / step).ceil() * step);
    let mut body = String::new();
    let mut y = 44.0;
    for (scenario, bars) in &groups {
        y += HEADING;
        let _ = writeln!(
            body,
            "<text x=\"12\" y=\"{}\" font-weight=\"bold\">{scenario}</text>",
            y - 8.0
        );
        for (f, median) in bars {
            bar(&mut body, y, scale, &f.proxy, *median);
            y += BAR;
        }
    }
    let mut grid = String::new();
    let mut tick = 0.0;
    while tick * scale <= ROOM + 0.5 {
        let x = LEFT + tick * scale;
        let _ = writeln!(
            grid,
            "<line x1=\"{x:.1}\" y1=\"52\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#e2e2e2\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#666\">{}</text>",
            y + 6.0,
            y + 20.0,
            grouped(tick),
        );
        tick += step;
    }
    let (width, height) = (LEFT + ROOM + BESIDE, y + 32.0);
    let title = shown.title;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n\
         <title>{title}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"28\" font-size=\"17\">{title}</text>\n{grid}{body}</svg>\n"
    );
    Some(Plot {
        file: shown.file,
        title,
        svg,
    })
}

/// One bar to the median, with a whisker from the least to the most.
fn bar(body: &mut String, y: f64, scale: f64, proxy: &str, median: Median) {
    let Median { value, least, most } = median;
    let height = BAR - 4.0;
    let (text, middle) = (y + BAR - 7.0, y + height / 2.0);
    let (from, to) = (LEFT + least * scale, LEFT + most * scale);
    let _ = write!(
        body,
        "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{proxy}</text>\
         <rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"{height}\" fill=\"{}\"/>",
        LEFT - 8.0,
        value * scale,
        colour(proxy),
    );
    if least < most {
        let (top, bottom) = (middle - 4.0, middle + 4.0);
        let _ = write!(
            body,
            "<path d=\"M{from:.1} {top}V{bottom}M{from:.1} {middle}H{to:.1}M{to:.1} {top}V{bottom}\" \
             stroke=\"#222\" stroke-opacity=\"0.7\" fill=\"none\"/>"
        );
    }
    let _ = writeln!(
        body,
        "<text x=\"{:.1}\" y=\"{text}\">{}</text>",
        to + 6.0,
        grouped(value)
    );
}

/// The distance of the lines behind the bars: 1, 2 or 5 of a power of ten, for four to ten lines.
fn step(most: f64) -> f64 {
    let power = 10_f64.powf((most / 4.0).log10().floor());
    [5.0, 2.0]
        .into_iter()
        .map(|n| n * power)
        .find(|step| most / step >= 4.0)
        .unwrap_or(power)
}

/// A figure in short, with its thousands apart.
fn grouped(value: f64) -> String {
    if value < 1000.0 {
        // Sums of steps are not exact.
        return ((value * 1e6).round() / 1e6).to_string();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn colour(proxy: &str) -> &'static str {
    match proxy {
        "lateen" => "#1b7f5c",
        "envoy" => "#a03a8c",
        "nginx" => "#4a7dc0",
        "haproxy" => "#c98a2b",
        _ => "#999999",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::sample::Sample;

    fn figures(proxy: &str, rounds: &[f64]) -> Figures {
        let samples: Vec<Sample> = rounds
            .iter()
            .map(|cpu_us_per_request| Sample {
                cpu_us_per_request: *cpu_us_per_request,
                ..Sample::default()
            })
            .collect();
        Figures::of("grpc-mtls-2hops", proxy, &samples)
    }

    #[test]
    fn the_largest_value_has_the_longest_bar_and_others_their_share() {
        let plots = all(&[
            figures("direct", &[0.0]),
            figures("lateen", &[11.0]),
            figures("envoy", &[110.0]),
        ]);
        assert_eq!(plots.len(), 1);
        let svg = &plots[0].svg;
        // Lines each 20, up to 120.
        assert!(
            svg.contains("width=\"476.7\"") && svg.contains("width=\"47.7\""),
            "{svg}"
        );
        assert!(!svg.contains("direct") && !svg.contains("<path"));
    }

    #[test]
    fn rounds_that_differ_have_a_whisker() {
        let plots = all(&[figures("lateen", &[30.0, 10.0, 20.0])]);
        // Lines each 5, up to 30; 10 is a third of the way.
        assert!(plots[0].svg.contains("M263.3 "), "{}", plots[0].svg);
        assert!(plots[0].svg.contains("H610.0"), "{}", plots[0].svg);
    }

    #[test]
    fn lines_are_at_round_figures() {
        assert_eq!([step(110.0), step(8.0), step(0.9)], [20.0, 2.0, 0.2]);
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!(grouped(0.1 + 0.2), "0.3");
    }
}
