//! A DestinationRule, and which of its subsets pods are in.

use std::collections::BTreeMap;

use local::object::selector::Selector;
use local::object::{list, strings, text};
use serde_json::Value;

use super::page::Page;

/// The subsets that any of some pods is in, and the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subsets {
    pub(super) matching: Vec<String>,
    pub(super) others: Vec<String>,
}

impl Subsets {
    /// By the pods' labels.
    pub(super) fn of(rule: &Value, pods: &[BTreeMap<String, String>]) -> Self {
        let mut subsets = Self::default();
        for subset in list(rule, "/spec/subsets") {
            let selector = Selector::exact(&strings(subset, "/labels"));
            let name = text(subset, "/name").to_owned();
            match pods.iter().any(|labels| selector.matches(labels)) {
                true => subsets.matching.push(name),
                false => subsets.others.push(name),
            }
        }
        subsets
    }
}

pub(super) fn describe(page: &mut Page, indent: usize, rule: &Value, subsets: &Subsets) {
    let (one, two) = (indent + 3, indent + 6);
    let shown = page.name(rule);
    let host = text(rule, "/spec/host");
    page.line(indent, format!("DestinationRule: {shown} for {host:?}"));
    let others = subsets.others.join(",");
    if !(subsets.matching.is_empty() && subsets.others.is_empty()) {
        if subsets.matching.is_empty() {
            page.line(
                one,
                format!("WARNING POD DOES NOT MATCH ANY SUBSETS.  (Non matching subsets {others})"),
            );
        }
        page.line(
            one,
            format!("Matching subsets: {}", subsets.matching.join(",")),
        );
        if !others.is_empty() {
            page.line(two, format!("(Non-matching subsets {others})"));
        }
    }
    let Some(policy) = rule.pointer("/spec/trafficPolicy") else {
        return page.line(one, "No Traffic Policy");
    };
    if let Some(mode) = tls(policy) {
        page.line(one, format!("Traffic Policy TLS Mode: {mode}"));
    }
    if let Some(policies) = policies(policy) {
        page.line(one, policies);
    }
    let of_ports = list(policy, "/portLevelSettings");
    if of_ports.is_empty() {
        return;
    }
    page.line(one, "Port Level Settings:");
    for of_port in of_ports {
        let number = of_port.pointer("/port/number").and_then(Value::as_u64);
        page.line(4, format!("{}:", number.unwrap_or(0)));
        if let Some(mode) = tls(of_port) {
            page.line(two, format!("TLS Mode: {mode}"));
        }
        if let Some(policies) = policies(of_port) {
            page.line(two, policies);
        }
    }
}

fn tls(policy: &Value) -> Option<&str> {
    policy.get("tls").map(|tls| match text(tls, "/mode") {
        // protobuf's first.
        "" => "DISABLE",
        mode => mode,
    })
}

fn policies(policy: &Value) -> Option<String> {
    let known = [
        ("loadBalancer", "load balancer"),
        ("connectionPool", "connection pool"),
        ("outlierDetection", "outlier detection"),
    ];
    let there: Vec<&str> = known
        .iter()
        .filter(|(field, _)| policy.get(*field).is_some())
        .map(|(_, shown)| *shown)
        .collect();
    (!there.is_empty()).then(|| format!("Policies: {}", there.join("/")))
}
