//! `describe`.

use clap::Args;
use local::api::client::{Client, Which};
use local::object::text;
use local::print::describe::{describe_namespace, describe_other, describe_pod, describe_service};
use serde_json::Value;

use super::target::parse;
use crate::failure::Failure;
use crate::output;

/// Show one object in detail
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local describe namespace default
  lateen local describe pod/NAME
  lateen local describe service web -n probe")]
pub(super) struct DescribeArgs {
    /// KIND [NAME...] or KIND/NAME...
    #[arg(value_name = "KIND", required = true)]
    targets: Vec<String>,
    #[command(flatten)]
    scope: super::Scope,
}

pub(super) async fn describe(client: &Client, args: DescribeArgs) -> Result<(), Failure> {
    let namespace = Which {
        namespace: Some(&args.scope.namespace),
        ..Which::default()
    };
    let mut first = true;
    for target in parse(&args.targets)? {
        let objects = if target.names.is_empty() {
            items(&client.get(&target.kind, &namespace).await?)
        } else {
            let mut objects = Vec::new();
            for name in &target.names {
                let which = Which {
                    name: Some(name),
                    ..namespace.clone()
                };
                objects.push(client.get(&target.kind, &which).await?);
            }
            objects
        };
        for object in objects {
            if !std::mem::take(&mut first) {
                output::text("\n\n")?;
            }
            output::text(&one(client, &object, &namespace).await?)?;
        }
    }
    Ok(())
}

async fn one(client: &Client, object: &Value, namespace: &Which<'_>) -> Result<String, Failure> {
    Ok(match text(object, "/kind") {
        "Namespace" => describe_namespace(object),
        "Pod" => describe_pod(object),
        "Service" => {
            let slices = client.get("endpointslices", namespace).await?;
            describe_service(object, &items(&slices))
        }
        _ => describe_other(object),
    })
}

fn items(list: &Value) -> Vec<Value> {
    list.get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}
