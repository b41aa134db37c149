//! The codec of HTTP/1.1 alone: a GET from a client through both sides of a proxy to an application, and its answer of
//! 1 KiB back. Four ends of two connections: twice what a proxy does.

use headers::Headers;
use http1::{BodyLength, Config, Connection, Event, Role};

use crate::Failure;
use crate::messages::{PAGE, get, got};

/// So many exchanges, one after the other.
pub(crate) fn exchanges(times: u32) -> Result<(), Failure> {
    let [mut client, mut upstream] =
        [(); 2].map(|()| Connection::new(Role::Client, Config::default()));
    let [mut downstream, mut application] =
        [(); 2].map(|()| Connection::new(Role::Server, Config::default()));
    let (request, head) = (get("greeter.default.svc.cluster.local:8081"), got());
    let mut headers = Headers::new();
    let mut answered = 0;
    for _ in 0..times {
        send(client.send_request(&request, BodyLength::Empty))?;
        carry(
            &mut client,
            &mut downstream,
            &mut headers,
            |_, event, headers| match event {
                Event::Request { body, .. } => send(upstream.send_request(headers, body)),
                _ => Ok(()),
            },
        )?;
        carry(
            &mut upstream,
            &mut application,
            &mut headers,
            |application, event, _| {
                if event == Event::End {
                    send(application.send_response(&head, BodyLength::Exact(PAGE.len() as u64)))?;
                    send(application.send_data(PAGE))?;
                    send(application.finish())?;
                }
                Ok(())
            },
        )?;
        carry(
            &mut application,
            &mut upstream,
            &mut headers,
            |_, event, headers| match event {
                Event::Response { body, .. } => send(downstream.send_response(headers, body)),
                Event::Data(bytes) => send(downstream.send_data(bytes)),
                Event::End => send(downstream.finish()),
                _ => Ok(()),
            },
        )?;
        carry(&mut downstream, &mut client, &mut headers, |_, event, _| {
            answered += u32::from(event == Event::End);
            Ok(())
        })?;
    }
    match answered == times {
        true => Ok(()),
        false => Err(format!("{answered} answers to {times} requests").into()),
    }
}

fn send(sent: Result<(), http1::SendError>) -> Result<(), Failure> {
    sent.map_err(|e| format!("{e:?}").into())
}

/// Hands what `from` has to say to `to`, and each event of that to `react`, which may answer on `to`.
fn carry(
    from: &mut Connection,
    to: &mut Connection,
    headers: &mut Headers,
    mut react: impl FnMut(&mut Connection, Event<'_>, &Headers) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut input = from.output();
    let carried = input.len();
    while let Some(event) = to.next(&mut input, headers).map_err(|e| format!("{e:?}"))? {
        react(to, event, headers)?;
    }
    from.advance(carried);
    Ok(())
}
