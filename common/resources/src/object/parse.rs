//! From an object as written to a typed one.

mod gateway;

use serde::de::DeserializeOwned;

use super::{Object, Unsupported};
use crate::decode::{Unknown, decode};
use crate::istio::virtual_service::StringMatch;
use crate::istio::{DestinationRule, PeerAuthentication, VirtualService};
use crate::problem::Problem;
use crate::yaml::RawObject;

/// Kinds that a mesh's manifests hold and that say nothing to it: no warning for them.
const UNREAD: &[&str] = &[
    "ClusterRole",
    "ClusterRoleBinding",
    "ControllerRevision",
    "CronJob",
    "CustomResourceDefinition",
    "DaemonSet",
    "Deployment",
    "Event",
    "HorizontalPodAutoscaler",
    "Job",
    "Lease",
    "MutatingWebhookConfiguration",
    "NetworkPolicy",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "ReplicaSet",
    "Role",
    "RoleBinding",
    "ServiceAccount",
    "StatefulSet",
    "StorageClass",
    "ValidatingWebhookConfiguration",
];

impl Object {
    /// Types an object. The problems beside a success are warnings: fields that the kind does not
    /// have, or a kind that the mesh does not read.
    ///
    /// # Errors
    /// A field whose value does not fit its type, or that breaks a rule of its kind.
    pub fn parse(raw: &RawObject) -> Result<(Self, Vec<Problem>), Problem> {
        let group = raw
            .api_version
            .rsplit_once('/')
            .map_or("", |(group, _)| group);
        match (group, raw.kind.as_str()) {
            ("", "Namespace") => typed(raw, |o| Object::Namespace(Box::new(o))),
            ("", "Node") => typed(raw, |o| Object::Node(Box::new(o))),
            ("", "ConfigMap") => typed(raw, |o| Object::ConfigMap(Box::new(o))),
            ("", "Secret") => typed(raw, |o| Object::Secret(Box::new(o))).map_err(without_values),
            ("", "Service") => typed(raw, |o| Object::Service(Box::new(o))),
            ("", "Pod") => typed(raw, |o| Object::Pod(Box::new(o))),
            ("discovery.k8s.io", "EndpointSlice") => {
                typed(raw, |o| Object::EndpointSlice(Box::new(o)))
            }
            ("networking.istio.io", "VirtualService") => {
                istio(raw, &["v1", "v1beta1", "v1alpha3"])?;
                let parsed = typed(raw, |o| Object::VirtualService(Box::new(o)))?;
                if let (Object::VirtualService(o), _) = &parsed {
                    virtual_service(raw, o)?;
                }
                Ok(parsed)
            }
            ("networking.istio.io", "DestinationRule") => {
                istio(raw, &["v1", "v1beta1", "v1alpha3"])?;
                let parsed = typed(raw, |o| Object::DestinationRule(Box::new(o)))?;
                if let (Object::DestinationRule(o), _) = &parsed {
                    destination_rule(raw, o)?;
                }
                Ok(parsed)
            }
            ("networking.istio.io", "Gateway") => {
                istio(raw, &["v1", "v1beta1", "v1alpha3"])?;
                let parsed = typed(raw, |o| Object::Gateway(Box::new(o)))?;
                if let (Object::Gateway(o), _) = &parsed {
                    gateway::check(raw, o)?;
                }
                Ok(parsed)
            }
            ("security.istio.io", "PeerAuthentication") => {
                istio(raw, &["v1", "v1beta1"])?;
                let parsed = typed(raw, |o| Object::PeerAuthentication(Box::new(o)))?;
                if let (Object::PeerAuthentication(o), _) = &parsed {
                    peer_authentication(raw, o)?;
                }
                Ok(parsed)
            }
            _ => Ok(unsupported(raw)),
        }
    }
}

fn refused(raw: &RawObject, field: &str, message: impl Into<String>) -> Problem {
    Problem::error(&raw.source, message)
        .about(raw.describe())
        .at_field(field)
}

fn typed<T: DeserializeOwned>(
    raw: &RawObject,
    wrap: impl FnOnce(T) -> Object,
) -> Result<(Object, Vec<Problem>), Problem> {
    match decode(&raw.value) {
        Ok((value, unknown)) => Ok((wrap(value), ignored(raw, unknown))),
        Err(misfit) => Err(refused(raw, &misfit.path, misfit.message)),
    }
}

/// What does not fit is quoted, and of a Secret nothing may be.
fn without_values(mut problem: Problem) -> Problem {
    problem.message =
        "the value does not fit the field; a Secret's values are not shown".to_owned();
    problem
}

fn ignored(raw: &RawObject, unknown: Unknown) -> Vec<Problem> {
    let warning = |message| Problem::warning(&raw.source, message).about(raw.describe());
    let mut warnings: Vec<_> = unknown
        .paths
        .into_iter()
        .map(|path| {
            warning(format!("{} has no such field; it is ignored", raw.kind)).at_field(path)
        })
        .collect();
    if unknown.more > 0 {
        warnings.push(warning(format!("has {} more unknown fields", unknown.more)));
    }
    warnings
}

fn unsupported(raw: &RawObject) -> (Object, Vec<Problem>) {
    let object = Object::Unsupported(Unsupported {
        api_version: raw.api_version.clone(),
        kind: raw.kind.clone(),
        namespace: raw.namespace.clone().unwrap_or_default(),
        name: raw.name.clone(),
    });
    if UNREAD.contains(&raw.kind.as_str()) {
        return (object, Vec::new());
    }
    let message = format!(
        "the kind {} of {} is not read by this control plane; the object has no effect",
        raw.kind, raw.api_version
    );
    (
        object,
        vec![
            Problem::warning(&raw.source, message)
                .about(raw.describe())
                .at_field("kind"),
        ],
    )
}

fn istio(raw: &RawObject, served: &[&str]) -> Result<(), Problem> {
    let version = raw
        .api_version
        .rsplit_once('/')
        .map_or("", |(_, version)| version);
    if served.contains(&version) {
        return Ok(());
    }
    let message = format!(
        "{version} is not a version of {}; use one of {}",
        raw.kind,
        served.join(", ")
    );
    Err(refused(raw, "apiVersion", message))
}

fn virtual_service(raw: &RawObject, object: &VirtualService) -> Result<(), Problem> {
    if object.spec.hosts.is_empty() {
        return Err(refused(
            raw,
            "spec.hosts",
            "is empty; name at least one host",
        ));
    }
    for (r, route) in object.spec.http.iter().enumerate() {
        let path = format!("spec.http[{r}]");
        if route.route.is_empty()
            && route.redirect.is_none()
            && route.direct_response.is_none()
            && route.delegate.is_none()
        {
            return Err(refused(
                raw,
                &path,
                "needs one of route, redirect, directResponse or delegate",
            ));
        }
        if !route.route.is_empty() && (route.redirect.is_some() || route.direct_response.is_some())
        {
            return Err(refused(
                raw,
                &path,
                "has route and also redirect or directResponse; keep one of them",
            ));
        }
        for (d, to) in route.route.iter().enumerate() {
            if to.destination.host.is_empty() {
                return Err(refused(
                    raw,
                    &format!("{path}.route[{d}].destination.host"),
                    "is missing; name a service",
                ));
            }
        }
        let weights = route.route.iter().map(|d| u64::from(d.weight)).sum::<u64>();
        if (weights == 0 && route.route.len() > 1) || weights > u64::from(u32::MAX) {
            let why = format!(
                "the weights add up to {weights}; several destinations need a sum from 1 to {}",
                u32::MAX
            );
            return Err(refused(raw, &format!("{path}.route"), why));
        }
        for (m, conditions) in route.matches.iter().enumerate() {
            let fixed = [
                &conditions.uri,
                &conditions.scheme,
                &conditions.method,
                &conditions.authority,
            ];
            let all = fixed
                .into_iter()
                .flatten()
                .chain(conditions.headers.values())
                .chain(conditions.query_params.values())
                .chain(conditions.without_headers.values());
            for condition in all {
                one_way(condition)
                    .map_err(|why| refused(raw, &format!("{path}.match[{m}]"), why))?;
            }
        }
    }
    Ok(())
}

fn one_way(condition: &StringMatch) -> Result<(), &'static str> {
    let ways = [&condition.exact, &condition.prefix, &condition.regex];
    if ways.into_iter().flatten().count() > 1 {
        return Err("a condition has more than one of exact, prefix and regex; keep one");
    }
    Ok(())
}

fn destination_rule(raw: &RawObject, object: &DestinationRule) -> Result<(), Problem> {
    let spec = &object.spec;
    if spec.host.is_empty() {
        return Err(refused(
            raw,
            "spec.host",
            "is missing; name the service that the rule is for",
        ));
    }
    let whole = spec
        .traffic_policy
        .iter()
        .map(|p| (p, "spec.trafficPolicy".to_owned()));
    let of_subsets = spec.subsets.iter().enumerate().filter_map(|(n, subset)| {
        Some((
            subset.traffic_policy.as_ref()?,
            format!("spec.subsets[{n}].trafficPolicy"),
        ))
    });
    for (policy, path) in whole.chain(of_subsets) {
        let Some(warmup) = policy
            .load_balancer
            .as_ref()
            .and_then(|l| l.warmup.as_ref())
        else {
            continue;
        };
        let path = format!("{path}.loadBalancer.warmup");
        let wrong = |field: &str, why: &str| Err(refused(raw, &format!("{path}.{field}"), why));
        if warmup.duration.is_none() {
            return wrong(
                "duration",
                "is missing; say how long the warm-up takes, such as 60s",
            );
        }
        if warmup
            .minimum_percent
            .is_some_and(|p| !(0.0..=100.0).contains(&p))
        {
            return wrong("minimumPercent", "is no percentage; give one from 0 to 100");
        }
        if warmup.aggression.is_some_and(|a| a.is_nan() || a < 1.0) {
            return wrong("aggression", "is less than 1, which is a steady increase");
        }
    }
    Ok(())
}

fn peer_authentication(raw: &RawObject, object: &PeerAuthentication) -> Result<(), Problem> {
    let spec = &object.spec;
    if spec.port_level_mtls.is_empty() {
        let written = raw
            .value
            .pointer("/spec/portLevelMtls")
            .is_some_and(|v| !v.is_null());
        return if written {
            Err(refused(
                raw,
                "spec.portLevelMtls",
                "is empty; name a port or leave it out",
            ))
        } else {
            Ok(())
        };
    }
    if spec
        .selector
        .as_ref()
        .is_none_or(|s| s.match_labels.is_empty())
    {
        return Err(refused(
            raw,
            "spec.portLevelMtls",
            "portLevelMtls requires selector",
        ));
    }
    if spec.port_level_mtls.contains_key(&0) {
        return Err(refused(
            raw,
            "spec.portLevelMtls",
            "port must be between 1-65535",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
