//! Operators by name.

use super::header::Message;
use super::number::{Point, Unit};
use super::text::TlsText;
use super::{Address, Field, Form, Number, Operator, PathForm, PathSource, StatusForm, Text};
use crate::syntax::Command;
use crate::time::TimeFormat;

/// What an operator takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Parameter,
    MaybeParameter,
    ParameterAndLength,
    MaybeParameterAndLength,
}

impl Operator {
    /// Compiles an operator; the error says what is wrong.
    pub(crate) fn parse(command: &Command<'_>) -> Result<Self, String> {
        let name = command.name;
        if let Some(operator) = plain(name) {
            check(command, Takes::Nothing)?;
            return Ok(operator);
        }
        if let Some((of, form)) = address(name) {
            let takes = if form == Form::WithoutPort && name.starts_with("DOWNSTREAM") {
                Takes::MaybeParameter
            } else {
                Takes::Nothing
            };
            check(command, takes)?;
            let form =
                match command.parameter {
                    "" => form,
                    bits => Form::Network(bits.parse().map_err(|_| {
                        format!("%{name}: `{bits}` is no number of bits of a network")
                    })?),
                };
            return Ok(Operator::Address { of, form });
        }
        check(
            command,
            takes(name).ok_or_else(|| format!("unknown operator %{name}%"))?,
        )?;
        with_parameter(command).map_err(|problem| format!("%{name}: {problem}"))
    }
}

fn check(command: &Command<'_>, takes: Takes) -> Result<(), String> {
    let Command {
        name,
        parameter,
        length,
        ..
    } = command;
    if takes == Takes::Nothing && !(parameter.is_empty() && length.is_none()) {
        return Err(format!("%{name}% takes no parameter and no length"));
    }
    if matches!(takes, Takes::Parameter | Takes::ParameterAndLength) && parameter.is_empty() {
        return Err(format!("%{name}% needs a parameter: %{name}(...)%"));
    }
    if !matches!(
        takes,
        Takes::ParameterAndLength | Takes::MaybeParameterAndLength
    ) && length.is_some()
    {
        return Err(format!("%{name}% takes no length"));
    }
    Ok(())
}

fn takes(name: &str) -> Option<Takes> {
    Some(match name {
        "REQ"
        | "REQUEST_HEADER"
        | "RESP"
        | "RESPONSE_HEADER"
        | "TRAILER"
        | "RESPONSE_TRAILER"
        | "QUERY_PARAM"
        | "ENVIRONMENT"
        | "METADATA"
        | "DYNAMIC_METADATA"
        | "CLUSTER_METADATA"
        | "UPSTREAM_METADATA"
        | "FILTER_STATE"
        | "UPSTREAM_FILTER_STATE"
        | "CEL"
        | "COALESCE" => Takes::ParameterAndLength,
        "PATH" => Takes::MaybeParameterAndLength,
        "COMMON_DURATION" => Takes::Parameter,
        "START_TIME"
        | "START_TIME_LOCAL"
        | "EMIT_TIME"
        | "EMIT_TIME_LOCAL"
        | "GRPC_STATUS"
        | "RESPONSE_CODE_DETAILS"
        | "QUERY_PARAMS"
        | "REQUESTED_SERVER_NAME"
        | "DOWNSTREAM_PEER_CERT_V_START"
        | "DOWNSTREAM_PEER_CERT_V_END"
        | "UPSTREAM_PEER_CERT_V_START"
        | "UPSTREAM_PEER_CERT_V_END" => Takes::MaybeParameter,
        _ => return None,
    })
}

fn with_parameter(command: &Command<'_>) -> Result<Operator, String> {
    let Command {
        name,
        parameter,
        length,
        ..
    } = *command;
    let field = |message| Field::parse(message, parameter, length).map(Operator::Field);
    let time = |end| TimeFormat::parse(parameter, end);
    let limit = length.unwrap_or(usize::MAX);
    Ok(match name {
        "REQ" | "REQUEST_HEADER" => field(Message::Request)?,
        "RESP" | "RESPONSE_HEADER" => field(Message::Response)?,
        "TRAILER" | "RESPONSE_TRAILER" => field(Message::Trailers)?,
        "START_TIME" => Operator::Start(time("Z")?),
        "START_TIME_LOCAL" => Operator::Start(time("+0000")?),
        "EMIT_TIME" => Operator::End(time("Z")?),
        "EMIT_TIME_LOCAL" => Operator::End(time("+0000")?),
        "PATH" => path(parameter, limit)?,
        "QUERY_PARAM" => Operator::QueryParameter {
            name: parameter.as_bytes().into(),
            limit,
        },
        "QUERY_PARAMS" => match parameter {
            "" | "ORIG" => Operator::Query,
            "DECODED" => Operator::Unserved,
            other => return Err(format!("`{other}` is neither ORIG nor DECODED")),
        },
        "ENVIRONMENT" => environment(parameter, limit),
        "GRPC_STATUS" => Operator::GrpcStatus(match parameter {
            "" | "CAMEL_STRING" => StatusForm::Camel,
            "SNAKE_STRING" => StatusForm::Snake,
            "NUMBER" => StatusForm::Number,
            other => {
                return Err(format!(
                    "`{other}` is none of CAMEL_STRING, SNAKE_STRING, NUMBER"
                ));
            }
        }),
        "RESPONSE_CODE_DETAILS" => Operator::Text(match parameter {
            "ALLOW_WHITESPACES" => Text::ResponseCodeDetailsAsIs,
            _ => Text::ResponseCodeDetails,
        }),
        "REQUESTED_SERVER_NAME" => match parameter {
            "" | "SNI_ONLY" => Operator::Text(Text::RequestedServerName),
            other if other.starts_with("SNI_") || other.starts_with("HOST_FIRST") => {
                Operator::Unserved
            }
            other => {
                return Err(format!(
                    "`{other}` is none of SNI_ONLY, SNI_FIRST, HOST_FIRST"
                ));
            }
        },
        "COMMON_DURATION" => common_duration(parameter)?,
        // What takes a parameter and is left has no value here.
        _ => Operator::Unserved,
    })
}

fn path(parameter: &str, limit: usize) -> Result<Operator, String> {
    let (form, source) = parameter.split_once(':').unwrap_or((parameter, ""));
    let form = match form {
        "" | "WQ" => PathForm::WithQuery,
        "NQ" => PathForm::WithoutQuery,
        other => return Err(format!("`{other}` is neither WQ nor NQ")),
    };
    let source = match source {
        "" | "ORIG_OR_PATH" => PathSource::OriginalOrCurrent,
        "ORIG" => PathSource::Original,
        "PATH" => PathSource::Current,
        other => return Err(format!("`{other}` is none of ORIG, PATH, ORIG_OR_PATH")),
    };
    Ok(Operator::Path {
        form,
        source,
        limit,
    })
}

fn common_duration(parameter: &str) -> Result<Operator, String> {
    let mut parts = parameter.split(':');
    let (Some(from), Some(to), unit, None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(format!("`{parameter}` is not FROM:TO or FROM:TO:UNIT"));
    };
    let unit = match unit {
        None | Some("ms") => Unit::Milliseconds,
        Some("us") => Unit::Microseconds,
        Some("ns") => Unit::Nanoseconds,
        Some(other) => return Err(format!("`{other}` is none of ms, us, ns")),
    };
    Ok(match (Point::of(from), Point::of(to)) {
        (Point::Unknown, _) | (_, Point::Unknown) => Operator::Unserved,
        (from, to) => Operator::Number(Number::Between { from, to, unit }),
    })
}

/// The environment does not change while the process runs. What is not set is the text `-`, even in JSON, as in Envoy.
fn environment(name: &str, limit: usize) -> Operator {
    let mut value =
        std::env::var_os(name).map_or_else(|| b"-".to_vec(), |value| value.into_encoded_bytes());
    value.truncate(limit);
    Operator::Constant(value.into())
}

fn host_name() -> Box<[u8]> {
    let name = std::fs::read("/proc/sys/kernel/hostname");
    name.map_or_else(
        |_| b"-".as_slice().into(),
        |name| name.trim_ascii_end().into(),
    )
}

fn address(name: &str) -> Option<(Address, Form)> {
    if name == "UPSTREAM_HOST" {
        return Some((Address::UpstreamHost, Form::WithPort));
    }
    let (of, form) = if let Some(of) = name.strip_suffix("_ADDRESS") {
        (of, Form::WithPort)
    } else if let Some(of) = name.strip_suffix("_ADDRESS_WITHOUT_PORT") {
        (of, Form::WithoutPort)
    } else {
        (name.strip_suffix("_PORT")?, Form::Port)
    };
    Some((
        match of {
            "UPSTREAM_REMOTE" => Address::UpstreamRemote,
            "UPSTREAM_LOCAL" => Address::UpstreamLocal,
            "DOWNSTREAM_LOCAL" => Address::DownstreamLocal,
            "DOWNSTREAM_DIRECT_LOCAL" => Address::DownstreamDirectLocal,
            "DOWNSTREAM_REMOTE" => Address::DownstreamRemote,
            "DOWNSTREAM_DIRECT_REMOTE" => Address::DownstreamDirectRemote,
            _ => return None,
        },
        form,
    ))
}

/// Operators that take nothing, but addresses.
fn plain(name: &str) -> Option<Operator> {
    let number = |number| Some(Operator::Number(number));
    let text = |text| Some(Operator::Text(text));
    match name {
        "PROTOCOL" => text(Text::Protocol),
        "RESPONSE_CODE" => number(Number::ResponseCode),
        "RESPONSE_FLAGS" => Some(Operator::Flags),
        "RESPONSE_FLAGS_LONG" => Some(Operator::FlagsLong),
        "CONNECTION_TERMINATION_DETAILS" => text(Text::ConnectionTerminationDetails),
        "BYTES_RECEIVED" => number(Number::BytesReceived),
        "BYTES_SENT" => number(Number::BytesSent),
        "DURATION" => number(Number::Duration),
        "REQUEST_DURATION" => number(Number::RequestDuration),
        "REQUEST_TX_DURATION" => number(Number::RequestSentDuration),
        "RESPONSE_DURATION" => number(Number::ResponseDuration),
        "RESPONSE_TX_DURATION" => number(Number::ResponseSentDuration),
        "UPSTREAM_CONNECTION_POOL_READY_DURATION" => number(Number::PoolReadyDuration),
        "UPSTREAM_HOST_NAME" => text(Text::UpstreamHostName),
        "UPSTREAM_HOST_NAME_WITHOUT_PORT" => text(Text::UpstreamHostNameWithoutPort),
        "UPSTREAM_CLUSTER" => text(Text::UpstreamCluster),
        "UPSTREAM_CLUSTER_RAW" => text(Text::UpstreamClusterRaw),
        "UPSTREAM_PROTOCOL" => text(Text::UpstreamProtocol),
        "UPSTREAM_CONNECTION_ID" => number(Number::UpstreamConnectionId),
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => text(Text::UpstreamTransportFailure),
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => text(Text::DownstreamTransportFailure),
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => number(Number::UpstreamAttempts),
        "UPSTREAM_WIRE_BYTES_SENT" => number(Number::UpstreamWireSent),
        "UPSTREAM_WIRE_BYTES_RECEIVED" => number(Number::UpstreamWireReceived),
        "DOWNSTREAM_WIRE_BYTES_SENT" => number(Number::DownstreamWireSent),
        "DOWNSTREAM_WIRE_BYTES_RECEIVED" => number(Number::DownstreamWireReceived),
        "REQUEST_HEADERS_BYTES" => number(Number::RequestHeaderBytes),
        "RESPONSE_HEADERS_BYTES" => number(Number::ResponseHeaderBytes),
        "RESPONSE_TRAILERS_BYTES" => number(Number::TrailerBytes),
        "ROUTE_NAME" => text(Text::RouteName),
        "LISTENER_NAME" => text(Text::ListenerName),
        "FILTER_CHAIN_NAME" => text(Text::FilterChainName),
        "CONNECTION_ID" => number(Number::ConnectionId),
        "STREAM_ID" => text(Text::StreamId),
        "ACCESS_LOG_TYPE" => text(Text::AccessLogType),
        "GRPC_STATUS_NUMBER" => Some(Operator::GrpcStatus(StatusForm::Number)),
        "HOSTNAME" => Some(Operator::Constant(host_name())),
        // A log line is no local reply, and nothing here sets flags of its own.
        "LOCAL_REPLY_BODY" | "CUSTOM_FLAGS" => Some(Operator::Constant([].into())),
        name if UNSERVED.contains(&name) => Some(Operator::Unserved),
        name => tls(name),
    }
}

fn tls(name: &str) -> Option<Operator> {
    let (side, name): (fn(TlsText) -> Text, _) =
        if let Some(name) = name.strip_prefix("DOWNSTREAM_") {
            (Text::Downstream, name)
        } else {
            (Text::Upstream, name.strip_prefix("UPSTREAM_")?)
        };
    let text = match name {
        "TLS_VERSION" => TlsText::Version,
        "TLS_CIPHER" => TlsText::Cipher,
        "PEER_URI_SAN" => TlsText::PeerUriSan,
        "PEER_DNS_SAN" => TlsText::PeerDnsSan,
        "PEER_SUBJECT" => TlsText::PeerSubject,
        "PEER_ISSUER" => TlsText::PeerIssuer,
        "LOCAL_URI_SAN" => TlsText::LocalUriSan,
        "LOCAL_DNS_SAN" => TlsText::LocalDnsSan,
        // Envoy has these for the client alone.
        "PEER_SERIAL" if side(TlsText::Version) == Text::Downstream(TlsText::Version) => {
            TlsText::PeerSerial
        }
        "PEER_FINGERPRINT_256" if side(TlsText::Version) == Text::Downstream(TlsText::Version) => {
            TlsText::PeerFingerprint256
        }
        "LOCAL_SUBJECT" if side(TlsText::Version) == Text::Downstream(TlsText::Version) => {
            TlsText::LocalSubject
        }
        _ => return None,
    };
    Some(Operator::Text(side(text)))
}

/// Operators of Envoy 1.40 that take nothing and have no value here.
const UNSERVED: &[&str] = &[
    "BYTES_RETRANSMITTED",
    "PACKETS_RETRANSMITTED",
    "ROUNDTRIP_DURATION",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "DOWNSTREAM_CX_RTT",
    "UPSTREAM_CONNECTION_IDS_ATTEMPTED",
    "UPSTREAM_HOSTS_ATTEMPTED",
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_NAMES_ATTEMPTED",
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_SERVER_NAME",
    "UPSTREAM_DETECTED_CLOSE_TYPE",
    "UPSTREAM_LOCAL_CLOSE_REASON",
    "DOWNSTREAM_DETECTED_CLOSE_TYPE",
    "DOWNSTREAM_LOCAL_CLOSE_REASON",
    "UPSTREAM_HEADER_BYTES_SENT",
    "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
    "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
    "VIRTUAL_CLUSTER_NAME",
    "UNIQUE_ID",
    "TRACE_ID",
    "SPAN_ID",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "ROUTE_RESOLUTION_COUNT",
    "ROUTE_RESOLUTION_TIME_US",
    "DOWNSTREAM_TLS_GROUP",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_PEER_IP_SAN",
    "DOWNSTREAM_PEER_EMAIL_SAN",
    "DOWNSTREAM_PEER_OTHERNAME_SAN",
    "DOWNSTREAM_PEER_FINGERPRINT_1",
    "DOWNSTREAM_PEER_CERT",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
    "DOWNSTREAM_PEER_CHAIN_SERIALS",
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER_SERIAL",
    "DOWNSTREAM_LOCAL_IP_SAN",
    "DOWNSTREAM_LOCAL_EMAIL_SAN",
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
    "UPSTREAM_TLS_GROUP",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_PEER_IP_SAN",
    "UPSTREAM_PEER_CERT",
    "UPSTREAM_LOCAL_IP_SAN",
];
