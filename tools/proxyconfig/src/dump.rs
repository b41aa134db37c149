//! The parts of a config dump.

use serde_json::Value;

/// Why a dump cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// It is no JSON.
    #[error("this is no config dump: {0}")]
    NotJson(#[from] serde_json::Error),
    /// It has no part of this name (`ListenersConfigDump`, ...).
    #[error("the config dump has no {0}: is it whole, as /config_dump gives it?")]
    Missing(&'static str),
}

/// What `/config_dump` answered.
#[derive(Debug, Clone)]
pub struct ConfigDump(Value);

impl ConfigDump {
    /// Reads what `/config_dump` answered.
    ///
    /// # Errors
    /// Where it is no JSON.
    pub fn parse(text: &str) -> Result<Self, DumpError> {
        Ok(ConfigDump(serde_json::from_str(text)?))
    }

    /// The whole of it, as it came.
    pub fn whole(&self) -> &Value {
        &self.0
    }

    /// The parts of this type, as `type.googleapis.com/envoy.admin.v3.ListenersConfigDump`.
    fn parts(&self, name: &'static str) -> impl Iterator<Item = &Value> {
        let parts = list(&self.0, "/configs");
        parts.filter(move |part| text(part, "/@type").rsplit('.').next() == Some(name))
    }

    /// The only part of this type.
    pub(crate) fn part(&self, name: &'static str) -> Result<&Value, DumpError> {
        self.parts(name).next().ok_or(DumpError::Missing(name))
    }

    /// What the proxy was started with.
    ///
    /// # Errors
    /// Where the dump has no such part.
    pub fn bootstrap(&self) -> Result<&Value, DumpError> {
        self.part("BootstrapConfigDump")
    }

    /// Listeners in use, those of the control plane first.
    ///
    /// # Errors
    /// Where the dump has no such part.
    pub fn listeners(&self) -> Result<Vec<&Value>, DumpError> {
        let part = self.part("ListenersConfigDump")?;
        let served = list(part, "/dynamic_listeners")
            .filter_map(|state| state.pointer("/active_state/listener"));
        let fixed = list(part, "/static_listeners").filter_map(|state| state.get("listener"));
        Ok(served.chain(fixed).collect())
    }

    /// Clusters in use, those of the control plane first.
    ///
    /// # Errors
    /// Where the dump has no such part.
    pub fn clusters(&self) -> Result<Vec<&Value>, DumpError> {
        let part = self.part("ClustersConfigDump")?;
        let served = list(part, "/dynamic_active_clusters");
        let all = served.chain(list(part, "/static_clusters"));
        Ok(all.filter_map(|state| state.get("cluster")).collect())
    }

    /// Route configurations, those of the control plane first.
    ///
    /// # Errors
    /// Where the dump has no such part.
    pub fn routes(&self) -> Result<Vec<&Value>, DumpError> {
        let part = self.part("RoutesConfigDump")?;
        let served = list(part, "/dynamic_route_configs");
        let all = served.chain(list(part, "/static_route_configs"));
        Ok(all.filter_map(|state| state.get("route_config")).collect())
    }

    /// What each extension configuration holds; none of a proxy that has none. Envoy has a part for each kind of filter.
    pub fn extensions(&self) -> Vec<&Value> {
        let parts = self.parts("EcdsConfigDump");
        let all = parts.flat_map(|part| list(part, "/ecds_filters"));
        all.filter_map(|state| state.get("ecds_filter")).collect()
    }

    /// Endpoints of each cluster, those of the control plane first; none where they were not asked for.
    pub fn assignments(&self) -> Vec<&Value> {
        self.part("EndpointsConfigDump").map_or_else(
            |_| Vec::new(),
            |part| {
                let served = list(part, "/dynamic_endpoint_configs");
                let all = served.chain(list(part, "/static_endpoint_configs"));
                all.filter_map(|state| state.get("endpoint_config"))
                    .collect()
            },
        )
    }

    /// Secrets with their state (`WARMING`, then `ACTIVE`).
    ///
    /// # Errors
    /// Where the dump has no such part.
    pub fn secrets(&self) -> Result<Vec<(&'static str, &Value)>, DumpError> {
        let part = self.part("SecretsConfigDump")?;
        let active = list(part, "/dynamic_active_secrets").map(|secret| ("ACTIVE", secret));
        let warming = list(part, "/dynamic_warming_secrets").map(|secret| ("WARMING", secret));
        Ok(warming.chain(active).collect())
    }
}

/// The items of the list at a place; none where there is no list.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// The text at a place; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The texts of the list at a place.
pub(crate) fn texts<'a>(value: &'a Value, pointer: &str) -> Vec<&'a str> {
    list(value, pointer).filter_map(Value::as_str).collect()
}

/// An object that made a part of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `destination-rule`, `virtual-service`, ...
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Which object made a part of the configuration: Istio writes its path into the metadata.
pub fn origin(value: &Value) -> Option<Origin> {
    let path = text(value, "/metadata/filter_metadata/istio/config");
    // /apis/networking.istio.io/v1/namespaces/NAMESPACE/KIND/NAME
    let words: Vec<&str> = path.split('/').collect();
    match words.as_slice() {
        ["", "apis", _, _, "namespaces", namespace, kind, name] => Some(Origin {
            kind: (*kind).to_owned(),
            namespace: (*namespace).to_owned(),
            name: (*name).to_owned(),
        }),
        _ => None,
    }
}

/// That object as `NAME.NAMESPACE`.
pub(crate) fn made_of(value: &Value) -> String {
    origin(value).map_or_else(String::new, |of| format!("{}.{}", of.name, of.namespace))
}
