//! Which objects a command line means: `pods`, `pod x y`, `pod/x deploy/y`, `pods,services`, `all`.

use crate::failure::Failure;

/// One kind with the names asked for; no name means all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: String,
    pub(crate) names: Vec<String>,
}

/// `all`, as kubectl has it.
const ALL: [&str; 5] = ["pods", "services", "deployments", "replicasets", "jobs"];

/// Reads the words after the verb.
pub(crate) fn parse(words: &[String]) -> Result<Vec<Target>, Failure> {
    let Some((first, rest)) = words.split_first() else {
        return Err(Failure::error(
            "You must specify the type of resource, such as: pods, services, deployments",
        ));
    };
    if words.iter().any(|word| word.contains('/')) {
        return words
            .iter()
            .map(|word| match word.split_once('/') {
                Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(Target {
                    kind: kind.to_owned(),
                    names: vec![name.to_owned()],
                }),
                _ => Err(Failure::error(
                    "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form",
                )),
            })
            .collect();
    }
    Ok(first
        .split(',')
        .filter(|kind| !kind.is_empty())
        .flat_map(|kind| match kind {
            "all" => ALL.to_vec(),
            kind => vec![kind],
        })
        .map(|kind| Target {
            kind: kind.to_owned(),
            names: rest.to_vec(),
        })
        .collect())
}

/// The one object meant by `KIND NAME` or `KIND/NAME`.
pub(crate) fn one(words: &[String]) -> Result<(String, String), Failure> {
    let targets = parse(words)?;
    match targets.as_slice() {
        [Target { kind, names }] => match names.as_slice() {
            [name] => Ok((kind.clone(), name.clone())),
            _ => Err(Failure::error(format!(
                "name one {kind}, as in {kind}/NAME"
            ))),
        },
        _ => Err(Failure::error("name one object, as in deployment/NAME")),
    }
}
