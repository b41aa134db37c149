use super::{bare, fields, problem, render};
use crate::{Entry, Template};

#[test]
fn text_stands_as_it_is_and_two_percent_signs_are_one() {
    assert_eq!(render("a b%% %%%PROTOCOL%%%\n", &bare()), "a b% %-%\n");
}

#[test]
fn a_format_without_operators_is_constant() {
    let constant = |format| {
        Template::parse(format)
            .unwrap()
            .constant()
            .map(<[u8]>::to_vec)
    };
    assert_eq!(constant("").as_deref(), Some(&b""[..]));
    assert_eq!(constant("a %% b").as_deref(), Some(&b"a % b"[..]));
    assert_eq!(
        constant("x%DYNAMIC_METADATA(a:b)%y").as_deref(),
        Some(&b"x-y"[..])
    );
    assert_eq!(constant("x%PROTOCOL%"), None);
    assert!(Template::default().is_constant());
}

#[test]
fn an_unknown_operator_is_named_with_its_place() {
    let error = Template::parse("%PROTOCOL% %VIRTUAL_HOST_NAME%").unwrap_err();
    assert_eq!(error.at, 11);
    assert_eq!(
        error.to_string(),
        "at byte 11: unknown operator %VIRTUAL_HOST_NAME%"
    );
}

#[test]
fn what_envoy_refuses_is_refused() {
    // Each was given to Envoy 1.40, which refuses it.
    for format in [
        "a%b",
        "%",
        "%%%",
        "%protocol%",
        "%REQ(a)",
        "%REQ(a):x%",
        "%REQ()%",
        "%REQ%",
        "%REQ(a?b?c)%",
        "%REQ(a b)%",
        "%PROTOCOL(x)%",
        "%PROTOCOL:3%",
        "%DURATION():2%",
        "%START_TIME():2%",
        "%START_TIME:3%",
        "%GRPC_STATUS(X)%",
        "%COMMON_DURATION(A)%",
        "%DYNAMIC_METADATA()%",
        "%DYNAMIC_METADATA%",
        "%QUERY_PARAMS(X)%",
        "%ENVIRONMENT%",
        "%TRACE_ID:4%",
        "%REQUESTED_SERVER_NAME(X)%",
        "%UPSTREAM_HOST(3)%",
        "%RESPONSE_CODE_DETAILS:4%",
        "%ROUTE_NAME:3%",
        "%UPSTREAM_CLUSTER:3%",
        "%REQ_WITHOUT_QUERY(:PATH)%",
        "%PATH(NQ:PATH_OR_ORIG)%",
        "%START_TIME(%n)%",
        "%NODE_ID%",
    ] {
        assert!(Template::parse(format).is_err(), "{format}");
    }
}

#[test]
fn what_envoy_takes_is_taken() {
    for format in [
        "x%%%PROTOCOL%",
        "%BYTES_SENT()%",
        "%RESPONSE_CODE_DETAILS(X)%",
        "%QUERY_PARAM(a):2%",
        "%COMMON_DURATION(A:B)%",
        "%REQ(:path?)%",
        "%REQ(X_Y)%",
        "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)%",
        "%START_TIME(%)%",
        "%START_TIME()%",
        "%COALESCE({\"operators\":[\"REQUESTED_SERVER_NAME\",{\"command\":\"REQ\",\"param\":\"host\"}]})%",
        "%FILTER_STATE(x:PLAIN):3%",
        "%CEL(request.headers['a'].contains(')'))%",
    ] {
        assert!(Template::parse(format).is_ok(), "{format}");
    }
}

#[test]
fn an_error_says_what_to_write_instead() {
    assert!(problem("100%").contains("`%%`"), "{}", problem("100%"));
    assert!(problem("%REQ(a)").contains("%REQ is not ended"));
    assert!(problem("%REQ()%").contains("%REQ% needs a parameter"));
    assert!(problem("%START_TIME(%Q)%").contains("`%Q`"));
}

#[test]
fn empty_values_are_left_out_where_asked() {
    let format = "[%REQ(a)%|%RESPONSE_FLAGS%|%FILTER_STATE(x)%|%UPSTREAM_HOST%|%PROTOCOL%]";
    let mut out = Vec::new();
    Template::parse_with(format, true)
        .unwrap()
        .render(&bare(), &mut out);
    assert_eq!(
        out, b"[|-|||]",
        "no flags are `-` even so, as Envoy writes it"
    );
}

#[test]
fn a_header_value_can_be_made_of_operators() {
    let request = fields(&[("x-user", "ann")]);
    let entry = Entry {
        request: Some(&request),
        ..bare()
    };
    let mut out = Vec::new();
    let template = Template::parse_with(
        "%REQ(x-user)%@%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%%REQ(x-none)%",
        true,
    );
    template.unwrap().render(&entry, &mut out);
    assert_eq!(out, b"ann@10.0.0.1");
}

#[test]
fn operators_that_have_no_value_here_are_listed() {
    let template = Template::parse("%PROTOCOL% %METADATA(ROUTE:a)% %UNIQUE_ID%").unwrap();
    assert_eq!(
        template.unserved().collect::<Vec<_>>(),
        ["METADATA", "UNIQUE_ID"]
    );
}
