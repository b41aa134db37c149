//! `describe`.

use clap::Args;
use local::api::client::{Client, Which};
use local::object::{namespace, text};
use local::print::describe::{
    describe_deployment, describe_job, describe_namespace, describe_other, describe_pod,
    describe_service, events_of,
};
use serde_json::Value;
use time::OffsetDateTime;

use super::target::parse;
use crate::failure::Failure;
use crate::output;

/// Show objects in detail, with their events
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lateen local describe namespace default
  lateen local describe pod/NAME
  lateen local describe pods -l app=web
  lateen local describe service web -n probe")]
pub(super) struct DescribeArgs {
    /// KIND [NAME...] or KIND/NAME...
    #[arg(value_name = "KIND", required = true)]
    targets: Vec<String>,
    #[command(flatten)]
    scope: super::Scope,
    /// Labels that objects must have
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

pub(super) async fn describe(client: &Client, args: DescribeArgs) -> Result<(), Failure> {
    let which = Which {
        namespace: (!args.all_namespaces).then_some(args.scope.namespace.as_str()),
        selector: args.selector.as_deref(),
        ..Which::default()
    };
    let mut first = true;
    for target in parse(&args.targets)? {
        let objects = if target.names.is_empty() {
            items(&client.get(&target.kind, &which).await?)
        } else {
            let mut objects = Vec::new();
            for name in &target.names {
                let which = Which {
                    name: Some(name),
                    ..which.clone()
                };
                objects.push(client.get(&target.kind, &which).await?);
            }
            objects
        };
        for object in objects {
            if !std::mem::take(&mut first) {
                output::text("\n\n")?;
            }
            output::text(&one(client, &object).await?)?;
        }
    }
    Ok(())
}

async fn one(client: &Client, object: &Value) -> Result<String, Failure> {
    let beside = async |kind: &str| {
        let which = Which {
            namespace: Some(match namespace(object) {
                "" => "default",
                own => own,
            }),
            ..Which::default()
        };
        Ok::<_, Failure>(items(&client.get(kind, &which).await?))
    };
    let events = events_of(&beside("events").await?, object);
    let now = OffsetDateTime::now_utc();
    Ok(match text(object, "/kind") {
        "Namespace" => describe_namespace(object),
        "Pod" => describe_pod(object, &events, now),
        "Service" => describe_service(object, &beside("endpointslices").await?, &events, now),
        "Deployment" => describe_deployment(object, &beside("replicasets").await?, &events, now),
        "Job" => describe_job(object, &events, now),
        _ => describe_other(object, &events, now),
    })
}

fn items(list: &Value) -> Vec<Value> {
    list.get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}
