//! Answers made here, in Envoy's words.

use std::borrow::Cow;
use std::time::Duration;

use accesslog::Flags;
use graph::policy::Abort;
use graph::route::Action;
use headers::{Headers, Known};

use super::Worker;
use crate::conn::Role;
use crate::stream::{Stage, StreamKey, live};

impl Worker {
    /// Answers a request here.
    pub(super) fn reply(
        &mut self,
        key: StreamKey,
        status: u16,
        body: &[u8],
        flags: Flags,
        details: impl Into<Cow<'static, str>>,
    ) {
        self.reply_with(key, status, &Headers::new(), body, flags, details);
    }

    /// Answers a request here, with more fields.
    pub(super) fn reply_with(
        &mut self,
        key: StreamKey,
        status: u16,
        more: &Headers,
        body: &[u8],
        flags: Flags,
        details: impl Into<Cow<'static, str>>,
    ) {
        let (now, wall) = (self.now, self.wall);
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        if s.is_copy {
            return self.finish(key);
        }
        s.flags |= flags;
        s.details = details.into();
        self.abandon_up(key);
        let Some(s) = self.streams.get_mut(key.slot as usize) else {
            return;
        };
        s.stage = Stage::Local;
        s.to_down.clear();
        s.to_up.bytes.clear();
        s.replay = None;
        s.response.clear();
        let grpc = routing::is_grpc(&s.request) && status != 0;
        let head = &mut s.response;
        if grpc {
            s.status = 200;
            head.push_known(Known::Status, b"200");
            head.push_known(Known::ContentType, b"application/grpc");
            let code = s
                .grpc_status
                .take()
                .unwrap_or_else(|| routing::grpc::status_of_http(status));
            head.push_known(Known::GrpcStatus, code.to_string().as_bytes());
            if !body.is_empty() {
                let mut message = Vec::new();
                percent_encoded(body, &mut message);
                head.push_known(Known::GrpcMessage, &message);
            }
            for field in more.iter() {
                head.push_field(field);
            }
        } else {
            s.status = status;
            head.push_known(Known::Status, status.to_string().as_bytes());
            for field in more.iter() {
                head.push_field(field);
            }
            if !body.is_empty() {
                head.push_known(Known::ContentLength, body.len().to_string().as_bytes());
                head.push_known(Known::ContentType, b"text/plain");
            } else if s.protocol != accesslog::Protocol::Http2 {
                head.push_known(Known::ContentLength, b"0");
            }
        }
        head.push_known(Known::Date, self.date.at(wall));
        let of_route = s.route.as_ref();
        if of_route.is_some_and(|r| !matches!(r.action, Action::Forward(_))) {
            super::body::mutate(s, now, wall);
        }
        routing::server::set(&mut s.response, &s.manager);
        let body: &[u8] = if grpc || s.is_head { b"" } else { body };
        s.to_down.bytes.extend_from_slice(body);
        s.to_down.end = true;
        self.send_answer(key);
    }

    /// Tells a client to send the body that it holds back.
    pub(super) fn go_on(&mut self, key: StreamKey) {
        let Some(s) = live(&mut self.streams, key) else {
            return;
        };
        let (down, place) = (s.down, s.down_place);
        let mut head = Headers::new();
        head.push_known(Known::Status, b"100");
        if let Some(Role::Server(server)) = self.conns.get_mut(down).map(|c| &mut c.role) {
            server.codec.inform(place, &head);
        }
        self.touch(down);
    }

    /// Sends the client elsewhere.
    pub(super) fn redirect_to(
        &mut self,
        key: StreamKey,
        status: u16,
        location: &[u8],
        details: &'static str,
    ) {
        let mut more = Headers::new();
        more.push_known(Known::Location, location);
        self.reply_with(key, status, &more, b"", Flags::default(), details);
    }

    /// Too much is under way to its cluster.
    pub(super) fn overflow(&mut self, key: StreamKey) {
        let mut more = Headers::new();
        more.push_known(Known::XEnvoyOverloaded, b"true");
        let body =
            b"upstream connect error or disconnect/reset before headers. reset reason: overflow";
        self.reply_with(
            key,
            503,
            &more,
            body,
            Flags::UPSTREAM_OVERFLOW,
            "upstream_reset_before_response_started{overflow}",
        );
    }

    /// Answers with an injected fault, after its delay.
    pub(super) fn abort(&mut self, key: StreamKey, abort: Abort, delay: Duration) {
        if !delay.is_zero() {
            let now = self.now;
            if let Some(s) = self.stream(key) {
                s.flags |= Flags::DELAY_INJECTED;
                s.aborts = Some(abort);
                s.clock.retry = Some(now + delay);
            }
            self.watch(key);
            return;
        }
        match abort {
            Abort::Http(status) => {
                self.reply(
                    key,
                    status,
                    b"fault filter abort",
                    Flags::FAULT_INJECTED,
                    "fault_filter_abort",
                );
            }
            Abort::Grpc(status) => {
                if let Some(s) = self.stream(key) {
                    s.grpc_status = Some(status);
                }
                // Of gRPC or not: Envoy answers the one with the status, the other with 200.
                self.reply(
                    key,
                    200,
                    b"fault filter abort",
                    Flags::FAULT_INJECTED,
                    "fault_filter_abort",
                );
            }
        }
    }
}

/// A gRPC message as it stands in its header (gRPC over HTTP/2, "Responses").
fn percent_encoded(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        if (0x20..=0x7e).contains(byte) && *byte != b'%' {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}
