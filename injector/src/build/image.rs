//! Which image a container runs.

use super::Input;
use crate::annotations;

/// The proxy's image: whole references (with a `/`) as they are, names under the hub and tag.
pub(crate) fn proxy(input: &Input<'_>) -> String {
    reference(input, &input.settings.values.global.proxy.image)
}

/// The init container's image, which is the same one unless `global.proxy_init.image` names another.
pub(super) fn init(input: &Input<'_>) -> String {
    reference(input, &input.settings.values.global.proxy_init.image)
}

/// What the proxy's image is called where nobody says: `proxy` under a hub of Lateen's images, `proxyv2` under any
/// other, which holds Istio's.
pub(crate) fn of_hub(hub: &str) -> &'static str {
    match hub.rsplit('/').next() {
        Some("lateen") => "proxy",
        _ => "proxyv2",
    }
}

fn reference(input: &Input<'_>, name: &str) -> String {
    let name = match name {
        "" => of_hub(&input.settings.values.global.hub),
        name => name,
    };
    let name = input.annotation_or(annotations::PROXY_IMAGE, name);
    if name.contains('/') {
        return name.to_owned();
    }
    let global = &input.settings.values.global;
    let variant = match input.annotations.get(annotations::PROXY_IMAGE_TYPE) {
        Some(variant) => variant,
        None => match input.proxy_config.image_type() {
            "" => &global.variant,
            variant => variant,
        },
    };
    let known = ["debug", "distroless"].into_iter().find_map(|known| {
        let plain = global.tag.strip_suffix(known)?.strip_suffix('-')?;
        (!variant.is_empty()).then_some(plain)
    });
    let tag = known.unwrap_or(&global.tag);
    match variant {
        "" | "default" => format!("{}/{name}:{tag}", global.hub),
        variant => format!("{}/{name}:{tag}-{variant}", global.hub),
    }
}
