//! Bars, as SVG.

use std::fmt::Write as _;

use crate::sample::Figures;

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
    of: fn(&Figures) -> f64,
}

const SHOWN: [Shown; 4] = [
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
        of: |f| f.cpu_us_per_request,
    },
    Shown {
        file: "cpu-1000.svg",
        title: "CPU, us/request, at 1,000 requests a second",
        scenarios: &[
            "grpc-mtls-2hops@1000",
            "grpc-plain-1hop@1000",
            "http1-mtls-2hops@1000",
            "config-changes",
        ],
        of: |f| f.cpu_us_per_request,
    },
    Shown {
        file: "p50-1000.svg",
        title: "p50, ms, at 1,000 requests a second",
        scenarios: &[
            "grpc-mtls-2hops@1000",
            "grpc-plain-1hop@1000",
            "http1-mtls-2hops@1000",
            "config-changes",
        ],
        of: |f| f.p50_ms,
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
        of: |f| f.rss_mib,
    },
];

/// The plots for which there are figures.
pub(super) fn all(figures: &[Figures]) -> Vec<Plot> {
    SHOWN
        .iter()
        .filter_map(|shown| draw(shown, figures))
        .collect()
}

const LEFT: f64 = 200.0;
const WIDTH: f64 = 720.0;
const BAR: f64 = 18.0;

fn draw(shown: &Shown, figures: &[Figures]) -> Option<Plot> {
    let mut bars: Vec<(&Figures, f64)> = Vec::new();
    for scenario in shown.scenarios {
        let of_it = figures.iter().filter(|f| f.scenario == *scenario);
        bars.extend(
            of_it
                .map(|f| (f, (shown.of)(f)))
                .filter(|(_, value)| *value > 0.0),
        );
    }
    let most = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    if most == 0.0 {
        return None;
    }
    let mut body = String::new();
    let mut y = 40.0;
    let mut scenario = "";
    for (f, value) in &bars {
        if f.scenario != scenario {
            scenario = &f.scenario;
            y += 26.0;
            let _ = writeln!(
                body,
                "<text x=\"10\" y=\"{}\" font-weight=\"bold\">{scenario}</text>",
                y - 6.0
            );
        }
        let middle = y + BAR - 5.0;
        let length = value / most * (WIDTH - LEFT - 80.0);
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{middle}\">{value}</text>",
            LEFT - 8.0,
            f.proxy,
            BAR - 3.0,
            colour(&f.proxy),
            LEFT + length + 6.0,
        );
        y += BAR;
    }
    let height = y + 20.0;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"24\" font-size=\"16\">{}</text>\n{body}</svg>\n",
        shown.title
    );
    Some(Plot {
        file: shown.file,
        title: shown.title,
        svg,
    })
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

    #[test]
    fn the_largest_value_has_the_longest_bar_and_others_their_share() {
        let of = |proxy, cpu_us_per_request| {
            let sample = Sample {
                cpu_us_per_request,
                ..Sample::default()
            };
            Figures::of("grpc-mtls-2hops", proxy, &[sample])
        };
        let plots = all(&[of("direct", 0.0), of("lateen", 11.0), of("envoy", 110.0)]);
        assert_eq!(plots.len(), 1);
        let svg = &plots[0].svg;
        assert!(
            svg.contains("width=\"440.0\"") && svg.contains("width=\"44.0\""),
            "{svg}"
        );
        assert!(!svg.contains("direct"));
    }
}
