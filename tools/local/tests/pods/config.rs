//! ConfigMaps and Secrets in pods.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{LIMIT, with_mesh};

fn config_map(greeting: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"},
        "data": {"greeting": greeting, "other": "o"}})
}

pub(crate) fn config_maps_and_secrets_reach_variables_and_files() {
    with_mesh(async |world| {
        world.apply(config_map("hello")).await;
        world
            .apply(
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
                "stringData": {"password": "hunter"}}),
            )
            .await;
        let spec = json!({
            "containers": [{"name": "app", "image": "tools:1", "args": ["sleep 1000"],
                "env": [{"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "greeting"}}},
                    {"name": "NAME", "value": "p"}],
                "envFrom": [{"prefix": "S_", "secretRef": {"name": "s"}}],
                "volumeMounts": [
                    {"name": "cm", "mountPath": "/cm"},
                    {"name": "cm", "mountPath": "/one/greeting.txt", "subPath": "greeting"},
                    {"name": "s", "mountPath": "/s", "readOnly": true},
                    {"name": "work", "mountPath": "/work", "subPathExpr": "$(NAME)/deep"},
                    {"name": "work", "mountPath": "/whole"}]}],
            "volumes": [
                {"name": "cm", "configMap": {"name": "cm", "items": [
                    {"key": "greeting", "path": "greeting"}, {"key": "other", "path": "below/other", "mode": 0o400}]}},
                {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o440}},
                {"name": "work", "emptyDir": {}}]});
        world.pod("p", "", spec).await;
        world.running("p").await;
        let shell = async |script: &str| world.output("p", &["sh", "-c", script]).await;
        assert_eq!(shell("echo $GREETING $S_password").await, "hello hunter\n");
        assert_eq!(
            shell("for f in /cm/greeting /cm/below/other /one/greeting.txt /s/password; do cat $f; echo; done").await,
            "hello\no\nhello\nhunter\n"
        );
        assert_eq!(
            shell("stat -L -c %a /cm/greeting /cm/below/other /s/password").await,
            "644\n400\n440\n"
        );
        assert_eq!(
            shell("echo x > /work/file && cat /whole/p/deep/file").await,
            "x\n"
        );
        assert!(
            shell("echo x > /s/new")
                .await
                .contains("Read-only file system")
        );

        // A change reaches the volume, not the variable, nor the file that was mounted alone: as in Kubernetes.
        world.apply(config_map("goodbye")).await;
        let begun = std::time::Instant::now();
        while shell("cat /cm/greeting").await != "goodbye" {
            assert!(begun.elapsed() < LIMIT);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            shell("echo $GREETING; cat /one/greeting.txt").await,
            "hello\nhello"
        );
    });
}
