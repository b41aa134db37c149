//! The codec of HTTP/2 alone: a gRPC call from a client through both sides of a proxy to an application, and its
//! answer back. Four ends of two connections: twice what a proxy does.

use headers::Headers;
use http2::{Config, Connection, Event, HeadersKind, Role};

use crate::Failure;
use crate::carry::carry;
use crate::messages::{ASKED, SAID, call, called, trailers};

/// So many exchanges, one after the other.
pub(crate) fn exchanges(times: u32) -> Result<(), Failure> {
    let [mut client, mut upstream] =
        [(); 2].map(|()| Connection::new(Role::Client, Config::default()));
    let [mut downstream, mut application] =
        [(); 2].map(|()| Connection::new(Role::Server, Config::default()));
    let request = call("greeter.default.svc.cluster.local:50051");
    let (head, tail) = (called(), trailers());
    let mut headers = Headers::new();
    let mut answered = 0;
    for _ in 0..times {
        let stream = client
            .open(&request, false, 0)
            .map_err(|e| format!("{e:?}"))?;
        client.send_data(stream, ASKED, true);
        let (mut asks, mut asked) = (None, None);
        carry(
            &mut client,
            &mut downstream,
            &mut headers,
            |_, event, headers| {
                match event {
                    Event::Headers { stream, .. } => {
                        asks = Some(stream);
                        let opened = upstream.open(headers, false, 0);
                        asked = Some(opened.map_err(|e| format!("{e:?}"))?);
                    }
                    Event::Data {
                        bytes, end_stream, ..
                    } => {
                        let stream = asked.ok_or("content before its head")?;
                        upstream.send_data(stream, bytes, end_stream);
                    }
                    _ => {}
                }
                Ok(())
            },
        )?;
        carry(
            &mut upstream,
            &mut application,
            &mut headers,
            |application, event, _| {
                if let Event::Data {
                    stream,
                    end_stream: true,
                    ..
                } = event
                {
                    application.send_headers(stream, &head, false);
                    application.send_data(stream, SAID, false);
                    application.send_headers(stream, &tail, true);
                }
                Ok(())
            },
        )?;
        let asks = asks.ok_or("the request did not arrive")?;
        carry(
            &mut application,
            &mut upstream,
            &mut headers,
            |_, event, headers| {
                match event {
                    Event::Headers { kind, .. } => {
                        downstream.send_headers(asks, headers, kind == HeadersKind::Trailers);
                    }
                    Event::Data { bytes, .. } => {
                        downstream.send_data(asks, bytes, false);
                    }
                    _ => {}
                }
                Ok(())
            },
        )?;
        carry(&mut downstream, &mut client, &mut headers, |_, event, _| {
            if let Event::Headers {
                end_stream: true, ..
            } = event
            {
                answered += 1;
            }
            Ok(())
        })?;
    }
    match answered == times {
        true => Ok(()),
        false => Err(format!("{answered} answers to {times} requests").into()),
    }
}
