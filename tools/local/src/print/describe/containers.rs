//! Containers of a pod or of a template.

use serde_json::Value;

use super::{or_none, plain, time_of};
use crate::kubelet::env::is_optional;
use crate::kubelet::facts::Facts;
use crate::object::{integer, list, text};

/// Writes the containers under `title`. `statuses` and `pod` are absent for a template.
pub(super) fn write(
    out: &mut String,
    indent: &str,
    title: &str,
    containers: &[Value],
    statuses: &[Value],
    pod: Option<&Value>,
) {
    out.push_str(&format!("{indent}{title}:\n"));
    let name_indent = if indent.is_empty() { "" } else { " " };
    for container in containers {
        let name = text(container, "/name");
        let status = statuses.iter().find(|status| text(status, "/name") == name);
        out.push_str(&format!("  {name_indent}{name}:\n"));
        identity(out, container, status);
        for (title, field) in [("Command", "/command"), ("Args", "/args")] {
            let words = list(container, field);
            if words.is_empty() {
                continue;
            }
            out.push_str(&format!("    {title}:\n"));
            for line in words.iter().filter_map(Value::as_str).flat_map(str::lines) {
                out.push_str(&format!("      {line}\n"));
            }
        }
        if let Some(status) = status {
            states(out, status);
        }
        resources(out, container);
        for (title, field) in [
            ("Liveness", "livenessProbe"),
            ("Readiness", "readinessProbe"),
            ("Startup", "startupProbe"),
        ] {
            if let Some(probe) = container.get(field).filter(|probe| probe.is_object()) {
                out.push_str(&format!("    {title}:\t{}\n", probe_line(probe)));
            }
        }
        environment(out, container, pod);
        mounts(out, container);
    }
}

fn identity(out: &mut String, container: &Value, status: Option<&Value>) {
    let mut field = |title: &str, value: &str| out.push_str(&format!("    {title}:\t{value}\n"));
    if let Some(status) = status {
        field("Container ID", text(status, "/containerID"));
    }
    field("Image", text(container, "/image"));
    if let Some(status) = status {
        field("Image ID", text(status, "/imageID"));
    }
    for (title, number) in [("Port", "/containerPort"), ("Host Port", "/hostPort")] {
        let ports: Vec<String> = list(container, "/ports")
            .iter()
            .map(|port| {
                let shown = format!(
                    "{}/{}",
                    integer(port, number).unwrap_or(0),
                    match text(port, "/protocol") {
                        "" => "TCP",
                        protocol => protocol,
                    }
                );
                match text(port, "/name") {
                    "" => shown,
                    name => format!("{shown} ({name})"),
                }
            })
            .collect();
        let plural = if ports.len() > 1 { "s" } else { "" };
        field(&format!("{title}{plural}"), &or_none(ports.join(", ")));
    }
}

fn states(out: &mut String, status: &Value) {
    state(out, "State", status.pointer("/state"));
    let last = status
        .pointer("/lastState")
        .filter(|last| last.get("terminated").is_some());
    if last.is_some() {
        state(out, "Last State", last);
    }
    let ready = status.get("ready").and_then(Value::as_bool) == Some(true);
    let restarts = integer(status, "/restartCount").unwrap_or(0);
    let ready = if ready { "True" } else { "False" };
    out.push_str(&format!(
        "    Ready:\t{ready}\n    Restart Count:\t{restarts}\n"
    ));
}

fn state(out: &mut String, title: &str, state: Option<&Value>) {
    let one = ["running", "waiting", "terminated"]
        .into_iter()
        .find_map(|kind| Some((kind, state?.get(kind)?)));
    let Some((kind, detail)) = one else {
        out.push_str(&format!("    {title}:\tWaiting\n"));
        return;
    };
    let shown = match kind {
        "running" => "Running",
        "waiting" => "Waiting",
        _ => "Terminated",
    };
    out.push_str(&format!("    {title}:\t{shown}\n"));
    let mut field = |title: &str, value: String| {
        if !value.is_empty() {
            out.push_str(&format!("      {title}:\t{value}\n"));
        }
    };
    field("Reason", text(detail, "/reason").to_owned());
    field("Message", text(detail, "/message").replace('\n', " "));
    if let Some(code) = integer(detail, "/exitCode") {
        field("Exit Code", code.to_string());
    }
    field("Started", time_of(text(detail, "/startedAt")));
    field("Finished", time_of(text(detail, "/finishedAt")));
}

fn resources(out: &mut String, container: &Value) {
    for (title, field) in [("Limits", "limits"), ("Requests", "requests")] {
        let Some(all) = container
            .pointer(&format!("/resources/{field}"))
            .and_then(Value::as_object)
            .filter(|all| !all.is_empty())
        else {
            continue;
        };
        out.push_str(&format!("    {title}:\n"));
        let mut sorted: Vec<(&String, &Value)> = all.iter().collect();
        sorted.sort_by_key(|(resource, _)| *resource);
        for (resource, quantity) in sorted {
            out.push_str(&format!("      {resource}:\t{}\n", plain(quantity)));
        }
    }
}

fn probe_line(probe: &Value) -> String {
    let number = |field: &str, default: i64| integer(probe, field).unwrap_or(default);
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        number("/initialDelaySeconds", 0),
        number("/timeoutSeconds", 1),
        number("/periodSeconds", 10),
        number("/successThreshold", 1),
        number("/failureThreshold", 3),
    );
    let port = |action: &Value| action.get("port").map(plain).unwrap_or_default();
    let question = if let Some(http) = probe.get("httpGet") {
        let scheme = match text(http, "/scheme") {
            "" => "http".to_owned(),
            scheme => scheme.to_ascii_lowercase(),
        };
        format!(
            "http-get {scheme}://{}:{}{}",
            text(http, "/host"),
            port(http),
            text(http, "/path")
        )
    } else if let Some(tcp) = probe.get("tcpSocket") {
        format!("tcp-socket {}:{}", text(tcp, "/host"), port(tcp))
    } else if let Some(grpc) = probe.get("grpc") {
        format!("grpc <pod>:{} {}", port(grpc), text(grpc, "/service"))
    } else {
        let words: Vec<&str> = list(probe, "/exec/command")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        format!("exec [{}]", words.join(" "))
    };
    format!("{question} {attributes}")
}

fn environment(out: &mut String, container: &Value, pod: Option<&Value>) {
    let sources = list(container, "/envFrom");
    if !sources.is_empty() {
        out.push_str("    Environment Variables from:\n");
    }
    for source in sources {
        for (field, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
            let Some(reference) = source.get(field) else {
                continue;
            };
            let prefix = match text(source, "/prefix") {
                "" => String::new(),
                prefix => format!(" with prefix '{prefix}'"),
            };
            out.push_str(&format!(
                "      {}\t{kind}{prefix}\tOptional: {}\n",
                text(reference, "/name"),
                is_optional(reference)
            ));
        }
    }
    let variables = list(container, "/env");
    if variables.is_empty() {
        out.push_str("    Environment:\t<none>\n");
        return;
    }
    out.push_str("    Environment:\n");
    for variable in variables {
        let value = variable_line(variable, pod);
        out.push_str(&format!("      {}:\t{value}\n", text(variable, "/name")));
    }
}

fn variable_line(variable: &Value, pod: Option<&Value>) -> String {
    let Some(source) = variable
        .get("valueFrom")
        .filter(|source| source.is_object())
    else {
        return text(variable, "/value").replace('\n', "\n\t");
    };
    for (field, place) in [
        ("secretKeyRef", "in secret"),
        ("configMapKeyRef", "of config map"),
    ] {
        if let Some(reference) = source.get(field) {
            return format!(
                "<set to the key '{}' {place} '{}'>\tOptional: {}",
                text(reference, "/key"),
                text(reference, "/name"),
                is_optional(reference)
            );
        }
    }
    if let Some(resource) = source.get("resourceFieldRef") {
        return format!("({})", text(resource, "/resource"));
    }
    let path = text(source, "/fieldRef/fieldPath");
    let known = pod.and_then(|pod| {
        Facts {
            pod,
            pod_ip: text(pod, "/status/podIP"),
            host_ip: text(pod, "/status/hostIP"),
            node: text(pod, "/spec/nodeName"),
        }
        .field(path)
    });
    format!("{} (v1:{path})", known.unwrap_or_default())
}

fn mounts(out: &mut String, container: &Value) {
    let mut mounts: Vec<&Value> = list(container, "/volumeMounts").iter().collect();
    if mounts.is_empty() {
        out.push_str("    Mounts:\t<none>\n");
        return;
    }
    mounts.sort_by_key(|mount| text(mount, "/mountPath"));
    out.push_str("    Mounts:\n");
    for mount in mounts {
        let read_only = mount.get("readOnly").and_then(Value::as_bool) == Some(true);
        let mut flags = if read_only { "ro" } else { "rw" }.to_owned();
        if !text(mount, "/subPath").is_empty() {
            flags.push_str(&format!(",path={:?}", text(mount, "/subPath")));
        }
        out.push_str(&format!(
            "      {} from {} ({flags})\n",
            text(mount, "/mountPath"),
            text(mount, "/name")
        ));
    }
}
