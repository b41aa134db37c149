//! Changes to header fields.

use accesslog::Template;
use envoy_types::pb::envoy::config::core::v3::{
    HeaderValue as GivenValue, HeaderValueOption, header_value_option::HeaderAppendAction,
};
use graph::mutation::{Append, HeaderValue, Mutations};

use crate::place::{Compiled, Place, take};
use crate::value::known;

/// Compiles the changes of the fields `<side>_headers_to_add` and `<side>_headers_to_remove`.
pub(super) fn compile(
    place: &Place<'_>,
    side: &str,
    add: &[HeaderValueOption],
    remove: &[String],
) -> Compiled<Mutations> {
    if add.is_empty() && remove.is_empty() {
        return Ok(Mutations::default());
    }
    let adding = format!("{side}_headers_to_add");
    let value = |(index, given)| value(&place.item(&adding, index), given);
    let removing = format!("{side}_headers_to_remove");
    let name = |given: &String| name(place, &removing, given);
    Ok(Mutations::new(
        remove.iter().map(name).collect::<Compiled<_>>()?,
        add.iter().enumerate().map(value).collect::<Compiled<_>>()?,
    ))
}

fn value(place: &Place<'_>, given: &HeaderValueOption) -> Compiled<HeaderValue> {
    take!(place, given, HeaderValueOption { header, append, append_action } refuse {} note { keep_empty_value } inert {});
    let header = place.required("header", header)?;
    let place = place.field("header");
    take!(place, header, GivenValue { key, value } refuse { raw_value } note {} inert {});
    if value.bytes().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
        return Err(place.refuse("value", "has a line end or NUL; leave it out"));
    }
    let action = match (append, known(&place, "append_action", *append_action)?) {
        (Some(append), _) if append.value => Append::AppendIfExistsOrAdd,
        (Some(_), _) => Append::OverwriteIfExistsOrAdd,
        (None, HeaderAppendAction::AppendIfExistsOrAdd) => Append::AppendIfExistsOrAdd,
        (None, HeaderAppendAction::AddIfAbsent) => Append::AddIfAbsent,
        (None, HeaderAppendAction::OverwriteIfExistsOrAdd) => Append::OverwriteIfExistsOrAdd,
        (None, HeaderAppendAction::OverwriteIfExists) => Append::OverwriteIfExists,
    };
    Ok(HeaderValue {
        name: name(&place, "key", key)?,
        value: Template::parse_with(value, true)
            .map_err(|e| place.refuse("value", e.to_string()))?,
        append: action,
    })
}

/// A field name that may be changed (RFC 9110, 5.6.2), lower case.
fn name(place: &Place<'_>, field: &str, given: &str) -> Compiled<Box<[u8]>> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if given.starts_with(':') || given.eq_ignore_ascii_case("host") {
        return Err(place.refuse(
            field,
            format!("`{given}` cannot be changed so; use a rewrite"),
        ));
    }
    if given.is_empty() || !given.bytes().all(token) {
        return Err(place.refuse(
            field,
            format!("`{}` is no name of a header", given.escape_debug()),
        ));
    }
    Ok(given.to_ascii_lowercase().into_bytes().into())
}
