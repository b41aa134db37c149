//! Which image a container runs.

use super::Input;
use crate::annotations;

/// The proxy's image: whole references (with a `/`) as they are, names under the hub and tag.
pub(crate) fn proxy(input: &Input<'_>) -> String {
    reference(input, &input.settings.values.global.proxy.image)
}

/// The init container's image: the proxy's unless `global.proxy_init.image` names another.
pub(super) fn init(input: &Input<'_>) -> String {
    let global = &input.settings.values.global;
    reference(
        input,
        match global.proxy_init.image.as_str() {
            "" => &global.proxy.image,
            name => name,
        },
    )
}

fn reference(input: &Input<'_>, name: &str) -> String {
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
