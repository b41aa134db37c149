//! Access logs.

use std::sync::Arc;
use std::time::Duration;

use accesslog::{AccessLog, Comparison, Filter, Flags, Format, JsonTemplate, Template, Value};
use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLog as Message, AccessLogFilter, AndFilter, ComparisonFilter, DurationFilter, OrFilter,
    ResponseFlagFilter, StatusCodeFilter, access_log::ConfigType,
    access_log_filter::FilterSpecifier, comparison_filter::Op,
};
use envoy_types::pb::envoy::config::core::v3::{
    DataSource, RuntimeUInt32, SubstitutionFormatString, data_source::Specifier,
    substitution_format_string::Format as GivenFormat,
};
use envoy_types::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log::AccessLogFormat,
};
use envoy_types::pb::envoy::extensions::access_loggers::stream::v3::{
    StderrAccessLog, StdoutAccessLog, stderr_access_log, stdout_access_log,
};
use envoy_types::pb::google::protobuf::{Any, Struct, value::Kind};

use crate::place::{Compiled, Place, take};
use crate::value::{known, type_name, unpack};

/// Envoy's own format, where a log names none.
const DEFAULT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \
\"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// How deep filters and JSON formats may nest.
const DEPTH: usize = 16;

/// Compiles logs. One that cannot be written is left out with a note: it changes no traffic.
pub(crate) fn all(place: &Place<'_>, field: &str, logs: &[Message]) -> Vec<Arc<AccessLog>> {
    let compiled = |(index, log): (usize, &Message)| {
        let inside = place.item(field, index);
        match one(&inside, log) {
            Ok(log) => Some(Arc::new(log)),
            Err(refusal) => {
                place.warn("", format!("this access log is not written: {refusal}"));
                None
            }
        }
    };
    logs.iter().enumerate().filter_map(compiled).collect()
}

fn one(place: &Place<'_>, message: &Message) -> Compiled<AccessLog> {
    take!(place, message, Message { filter, config_type } refuse {} note {} inert { name });
    let ConfigType::TypedConfig(any) = place.required("typed_config", config_type)?;
    let (path, format) = file(&place.field("typed_config"), any)?;
    let filter = match filter {
        None => Filter::All,
        Some(given) => self::filter(&place.field("filter"), given, DEPTH)?,
    };
    Ok(AccessLog {
        path: path.into(),
        filter,
        format,
    })
}

fn file(place: &Place<'_>, any: &Any) -> Compiled<(String, Format)> {
    match type_name(any) {
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog" => {
            let log: StdoutAccessLog = unpack(place, any)?;
            take!(place, &log, StdoutAccessLog { access_log_format } refuse {} note {} inert {});
            let format = access_log_format
                .as_ref()
                .map(|stdout_access_log::AccessLogFormat::LogFormat(format)| format);
            Ok((
                "/dev/stdout".to_owned(),
                substitution(&place.field("log_format"), format)?,
            ))
        }
        "envoy.extensions.access_loggers.stream.v3.StderrAccessLog" => {
            let log: StderrAccessLog = unpack(place, any)?;
            take!(place, &log, StderrAccessLog { access_log_format } refuse {} note {} inert {});
            let format = access_log_format
                .as_ref()
                .map(|stderr_access_log::AccessLogFormat::LogFormat(format)| format);
            Ok((
                "/dev/stderr".to_owned(),
                substitution(&place.field("log_format"), format)?,
            ))
        }
        _ => {
            let log: FileAccessLog = unpack(place, any)?;
            take!(place, &log, FileAccessLog { path, access_log_format } refuse {} note {} inert {});
            if path.is_empty() {
                return Err(place.refuse("path", "is required; name a file"));
            }
            let format = match access_log_format {
                None => substitution(place, None)?,
                Some(AccessLogFormat::Format(format)) => {
                    text(&place.field("format"), format, false)?
                }
                Some(AccessLogFormat::JsonFormat(format)) => {
                    json(&place.field("json_format"), format, false)?
                }
                Some(AccessLogFormat::TypedJsonFormat(format)) => {
                    json(&place.field("typed_json_format"), format, false)?
                }
                Some(AccessLogFormat::LogFormat(format)) => {
                    substitution(&place.field("log_format"), Some(format))?
                }
            };
            Ok((path.clone(), format))
        }
    }
}

fn substitution(place: &Place<'_>, given: Option<&SubstitutionFormatString>) -> Compiled<Format> {
    let Some(given) = given else {
        return text(place, DEFAULT, false);
    };
    take!(place, given, SubstitutionFormatString { omit_empty_values, format }
        refuse {} note { formatters } inert { content_type, json_format_options });
    match place.required("format", format)? {
        GivenFormat::TextFormat(format) => {
            text(&place.field("text_format"), format, *omit_empty_values)
        }
        GivenFormat::TextFormatSource(DataSource {
            watched_directory: _,
            specifier,
        }) => match specifier {
            Some(Specifier::InlineString(format)) => text(
                &place.field("text_format_source.inline_string"),
                format,
                *omit_empty_values,
            ),
            _ => Err(place.refuse("text_format_source", "only inline_string is supported")),
        },
        GivenFormat::JsonFormat(format) => {
            json(&place.field("json_format"), format, *omit_empty_values)
        }
    }
}

fn text(place: &Place<'_>, format: &str, omit_empty_values: bool) -> Compiled<Format> {
    Template::parse_with(format, omit_empty_values)
        .map(Format::Text)
        .map_err(|e| place.refuse("", e.to_string()))
}

fn json(place: &Place<'_>, format: &Struct, omit_empty_values: bool) -> Compiled<Format> {
    let fields = object(place, format, DEPTH)?;
    JsonTemplate::parse(&fields, omit_empty_values)
        .map(Format::Json)
        .map_err(|e| place.refuse("", e.to_string()))
}

fn object(place: &Place<'_>, format: &Struct, depth: usize) -> Compiled<Vec<(String, Value)>> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(place.refuse("", "nests too deep"));
    };
    let field = |(key, value): (&String, &_)| Ok((key.clone(), self::value(place, value, depth)?));
    format.fields.iter().map(field).collect()
}

fn value(
    place: &Place<'_>,
    given: &envoy_types::pb::google::protobuf::Value,
    depth: usize,
) -> Compiled<Value> {
    Ok(match &given.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(*flag),
        Some(Kind::NumberValue(number)) => Value::Number(*number),
        Some(Kind::StringValue(text)) => Value::Text(text.clone()),
        Some(Kind::StructValue(fields)) => Value::Object(object(place, fields, depth)?),
        Some(Kind::ListValue(list)) => {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(place.refuse("", "nests too deep"));
            };
            let items = list.values.iter().map(|v| value(place, v, depth));
            Value::List(items.collect::<Compiled<_>>()?)
        }
    })
}

fn filter(place: &Place<'_>, given: &AccessLogFilter, depth: usize) -> Compiled<Filter> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(place.refuse("", "nests too deep"));
    };
    let AccessLogFilter { filter_specifier } = given;
    let several = |field: &str, filters: &[AccessLogFilter]| -> Compiled<Box<[Filter]>> {
        let one = |(index, given)| filter(&place.item(field, index), given, depth);
        filters.iter().enumerate().map(one).collect()
    };
    Ok(
        match place.required("filter_specifier", filter_specifier)? {
            FilterSpecifier::ResponseFlagFilter(ResponseFlagFilter { flags }) => {
                let mut wanted = Flags::NONE;
                for flag in flags {
                    wanted |= Flags::of(flag).ok_or_else(|| {
                        place.refuse(
                            "response_flag_filter.flags",
                            format!("`{flag}` is no response flag"),
                        )
                    })?;
                }
                Filter::Flags(wanted)
            }
            FilterSpecifier::StatusCodeFilter(StatusCodeFilter { comparison }) => {
                let (comparison, status) = compare(&place.field("status_code_filter"), comparison)?;
                Filter::Status(comparison, u16::try_from(status).unwrap_or(u16::MAX))
            }
            FilterSpecifier::DurationFilter(DurationFilter { comparison }) => {
                let (comparison, millis) = compare(&place.field("duration_filter"), comparison)?;
                Filter::Duration(comparison, Duration::from_millis(millis.into()))
            }
            // Requests of health checkers are not told apart here: there is no health-check filter.
            FilterSpecifier::NotHealthCheckFilter(_) => Filter::All,
            FilterSpecifier::AndFilter(AndFilter { filters }) => {
                Filter::And(several("and_filter.filters", filters)?)
            }
            FilterSpecifier::OrFilter(OrFilter { filters }) => {
                Filter::Or(several("or_filter.filters", filters)?)
            }
            _ => {
                return Err(place.refuse(
                "filter_specifier",
                "is not supported; use response_flag_filter, status_code_filter, duration_filter, and_filter or or_filter",
            ));
            }
        },
    )
}

fn compare(place: &Place<'_>, given: &Option<ComparisonFilter>) -> Compiled<(Comparison, u32)> {
    let given = place.required("comparison", given)?;
    let ComparisonFilter { op, value } = given;
    let value = place.required("comparison.value", value)?;
    let RuntimeUInt32 {
        default_value,
        runtime_key: _,
    } = value;
    let comparison = match known(place, "comparison.op", *op)? {
        Op::Eq => Comparison::Equal,
        Op::Ne => Comparison::NotEqual,
        Op::Ge => Comparison::AtLeast,
        Op::Le => Comparison::AtMost,
    };
    Ok((comparison, *default_value))
}
