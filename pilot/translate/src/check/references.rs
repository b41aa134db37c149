//! References between objects, and values that no proxy would take.

use resources::istio::virtual_service::{Destination, HttpMatchRequest, HttpRoute, StringMatch};
use resources::problem::Problem;

use crate::cluster::policy::is_table_size;
use crate::model::config::{DestinationRule, VirtualService, gateways_of};
use crate::model::host;
use crate::route::{header_is_changeable, header_is_name, header_is_value, regex_is_taken};
use crate::snapshot::Snapshot;

struct Checker<'a> {
    object: &'a str,
    namespace: &'a str,
    snapshot: &'a Snapshot,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn say(&mut self, field: String, message: String) {
        self.problems.push(
            Problem::warning("", message)
                .about(self.object)
                .at_field(field),
        );
    }

    fn destination(&mut self, to: &Destination, field: &str) {
        let full = host::resolve(&to.host, self.namespace, &self.snapshot.settings().domain);
        let service = host::service_of(&full, &self.snapshot.settings().domain)
            .and_then(|k| self.snapshot.service(&k));
        let Some(service) = service else {
            self.say(
                format!("{field}.host"),
                format!("there is no service {full}; requests that are sent there answer 503 until there is"),
            );
            return;
        };
        if let Some(port) = to.port
            && service.port(port.number).is_none()
        {
            self.say(
                format!("{field}.port.number"),
                format!(
                    "{full} has no port {}; requests that are sent there answer 503",
                    port.number
                ),
            );
        }
        if !to.subset.is_empty() && !has_subset(self.snapshot, &full, &to.subset) {
            self.say(
                format!("{field}.subset"),
                format!(
                    "no DestinationRule of {full} has a subset {:?}; requests that are sent there answer 503 until one has",
                    to.subset
                ),
            );
        }
    }

    fn condition(&mut self, name: Option<&str>, on: &StringMatch, field: &str) {
        if let Some(name) = name
            && !header_is_name(name)
        {
            self.say(
                field.to_owned(),
                format!("{name:?} is no header name; the match is left out"),
            );
        }
        if let Some(regex) = on
            .regex
            .as_ref()
            .filter(|r| !r.is_empty() && !regex_is_taken(r))
        {
            self.say(
                format!("{field}.regex"),
                format!("{regex:?} is no regular expression of RE2; the match is left out"),
            );
        }
    }

    fn conditions(&mut self, on: &HttpMatchRequest, field: &str) {
        let fixed = [
            ("uri", &on.uri),
            ("scheme", &on.scheme),
            ("method", &on.method),
            ("authority", &on.authority),
        ];
        for (name, condition) in fixed {
            if let Some(condition) = condition {
                self.condition(None, condition, &format!("{field}.{name}"));
            }
        }
        for (kind, map, is_header) in [
            ("headers", &on.headers, true),
            ("withoutHeaders", &on.without_headers, true),
            ("queryParams", &on.query_params, false),
        ] {
            for (name, condition) in map {
                self.condition(
                    is_header.then_some(name),
                    condition,
                    &format!("{field}.{kind}[{name}]"),
                );
            }
        }
    }

    fn headers(&mut self, http: &HttpRoute, field: &str) {
        let all = http
            .headers
            .iter()
            .map(|h| (h, format!("{field}.headers")))
            .chain(http.route.iter().enumerate().filter_map(|(n, d)| {
                Some((d.headers.as_ref()?, format!("{field}.route[{n}].headers")))
            }));
        for (headers, field) in all {
            for (way, operations) in [
                ("request", &headers.request),
                ("response", &headers.response),
            ] {
                let Some(operations) = operations else {
                    continue;
                };
                for (verb, map) in [("set", &operations.set), ("add", &operations.add)] {
                    for (name, value) in map {
                        let rewrites = way == "request"
                            && verb == "set"
                            && (name.eq_ignore_ascii_case("host") || name == ":authority");
                        if !(rewrites || header_is_changeable(name)) || !header_is_value(value) {
                            self.say(
                                format!("{field}.{way}.{verb}[{name}]"),
                                "is no header that can be set; it is left out".to_owned(),
                            );
                        }
                    }
                }
                for name in operations
                    .remove
                    .iter()
                    .filter(|n| !header_is_changeable(n))
                {
                    self.say(
                        format!("{field}.{way}.remove"),
                        format!("{name:?} cannot be removed; it is left out"),
                    );
                }
            }
        }
    }
}

pub(super) fn virtual_service(
    config: &VirtualService,
    object: &str,
    snapshot: &Snapshot,
) -> Vec<Problem> {
    let mut checker = Checker {
        object,
        namespace: &config.key.namespace,
        snapshot,
        problems: Vec::new(),
    };
    for gateway in gateways_of(config) {
        if snapshot.gateway(&gateway).is_none() {
            checker.say(
                "spec.gateways".to_owned(),
                format!(
                    "there is no Gateway {}/{}; what is routed through it has no effect until there is",
                    gateway.namespace, gateway.name
                ),
            );
        }
    }
    for (r, http) in config.spec.http.iter().enumerate() {
        let field = format!("spec.http[{r}]");
        for (m, on) in http.matches.iter().enumerate() {
            checker.conditions(on, &format!("{field}.match[{m}]"));
        }
        for (d, to) in http.route.iter().enumerate() {
            checker.destination(&to.destination, &format!("{field}.route[{d}].destination"));
        }
        if let Some(to) = &http.mirror {
            checker.destination(to, &format!("{field}.mirror"));
        }
        for (n, mirror) in http.mirrors.iter().enumerate() {
            checker.destination(
                &mirror.destination,
                &format!("{field}.mirrors[{n}].destination"),
            );
        }
        checker.headers(http, &field);
    }
    for (h, host) in config.hosts.iter().enumerate() {
        let domain = &snapshot.settings().domain;
        if !host.contains('*')
            && host::service_of(host, domain)
                .and_then(|k| snapshot.service(&k))
                .is_none()
        {
            checker.say(
                format!("spec.hosts[{h}]"),
                format!("there is no service {host}; the routes have no effect until there is"),
            );
        }
    }
    checker.problems
}

fn has_subset(snapshot: &Snapshot, host: &str, subset: &str) -> bool {
    let patterns = host::patterns(host);
    snapshot
        .all_destination_rules()
        .filter(|rule| rule.hosts.iter().any(|h| patterns.contains(h)))
        .any(|rule| rule.spec.subsets.iter().any(|s| s.name == subset))
}

pub(super) fn destination_rule(
    config: &DestinationRule,
    object: &str,
    snapshot: &Snapshot,
) -> Vec<Problem> {
    let domain = &snapshot.settings().domain;
    let mut problems = Vec::new();
    for host in config.hosts.iter().filter(|host| !host.contains('*')) {
        if host::service_of(host, domain)
            .and_then(|k| snapshot.service(&k))
            .is_none()
        {
            let message =
                format!("there is no service {host}; the rule has no effect until there is");
            problems.push(
                Problem::warning("", message)
                    .about(object)
                    .at_field("spec.host"),
            );
        }
    }
    let whole = config
        .spec
        .traffic_policy
        .iter()
        .map(|p| (p, "spec.trafficPolicy".to_owned()));
    let subsets = config.spec.subsets.iter().enumerate();
    let of_subsets = subsets.filter_map(|(n, s)| {
        Some((
            s.traffic_policy.as_ref()?,
            format!("spec.subsets[{n}].trafficPolicy"),
        ))
    });
    for (policy, field) in whole.chain(of_subsets) {
        let maglev = policy
            .load_balancer
            .as_ref()
            .and_then(|l| l.consistent_hash.as_ref())
            .and_then(|h| h.maglev);
        if let Some(size) = maglev
            .map(|m| m.table_size)
            .filter(|size| *size > 0 && !is_table_size(*size))
        {
            let message = format!("{size} is no prime up to 5000011; the default of 65537 is used");
            let field = format!("{field}.loadBalancer.consistentHash.maglev.tableSize");
            problems.push(Problem::warning("", message).about(object).at_field(field));
        }
    }
    problems
}
