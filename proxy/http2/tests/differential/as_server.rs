//! h2 asks, we answer.

use bytes::Bytes;
use http2::{Config, ErrorCode};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use crate::echo::Echo;
use crate::other::ask;
use crate::{Message, carry, requests, sorted};

/// Starts an echo server of ours on one end of a pipe.
fn start(mut echo: Echo, pipe: DuplexStream) -> JoinHandle<Echo> {
    tokio::spawn(async move {
        carry(&mut echo, pipe).await;
        echo
    })
}

async fn connect(
    builder: &h2::client::Builder,
    pipe: DuplexStream,
) -> (h2::client::SendRequest<Bytes>, JoinHandle<()>) {
    let (client, connection) = builder.handshake(pipe).await.unwrap();
    let connection = tokio::spawn(async move {
        let _ = connection.await;
    });
    (client, connection)
}

/// Asks all at once and checks every echo.
async fn all_come_back(config: Config, builder: &h2::client::Builder, messages: Vec<Message>) {
    let (near, far) = tokio::io::duplex(5000);
    let server = start(Echo::new(config), far);
    let (client, connection) = connect(builder, near).await;
    let asking: Vec<_> = messages
        .iter()
        .map(|message| {
            let (client, message) = (client.clone(), message.clone());
            tokio::spawn(async move { ask(&client, message).await })
        })
        .collect();
    for (asked, message) in asking.into_iter().zip(messages) {
        let (status, answer) = asked.await.unwrap().unwrap();
        assert_eq!(status, 200);
        assert_eq!(sorted(&answer.fields), sorted(&message.fields));
        assert_eq!(answer.content, message.content);
        assert_eq!(answer.trailers, message.trailers);
    }
    drop(client);
    connection.await.unwrap();
    assert_eq!(server.await.unwrap().resets, []);
}

#[tokio::test]
async fn requests_of_many_shapes_come_back() {
    all_come_back(
        Config::default(),
        &h2::client::Builder::new(),
        requests(1, 150),
    )
    .await;
}

#[tokio::test]
async fn small_windows_both_ways_only_take_longer() {
    let config = Config {
        initial_window: 1000,
        connection_window: 65_535,
        ..Config::default()
    };
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(700);
    all_come_back(config, &builder, requests(2, 40)).await;
}

#[tokio::test]
async fn every_size_of_the_dynamic_table_decodes() {
    for header_table_size in [0, 100, 4096, 100_000] {
        let config = Config {
            header_table_size,
            ..Config::default()
        };
        let mut builder = h2::client::Builder::new();
        builder.header_table_size(header_table_size);
        all_come_back(config, &builder, requests(3, 60)).await;
    }
}

#[tokio::test]
async fn few_streams_at_once_all_get_their_turn() {
    let config = Config {
        max_concurrent_streams: 3,
        ..Config::default()
    };
    all_come_back(config, &h2::client::Builder::new(), requests(4, 60)).await;
}

#[tokio::test]
async fn large_sections_pass_both_ways() {
    let mut message = requests(5, 1).remove(0);
    for i in 0..40 {
        let field = (format!("x-large-{i}"), "v".repeat(1000));
        message.fields.push(field);
    }
    all_come_back(
        Config::default(),
        &h2::client::Builder::new(),
        vec![message; 5],
    )
    .await;
}

fn to(path: &str) -> Message {
    let mut message = requests(6, 1).remove(0);
    message.fields[3].1 = path.to_owned();
    message.content = vec![7; 100_000];
    message.trailers = None;
    message
}

#[tokio::test]
async fn our_resets_come_with_their_codes_and_the_connection_goes_on() {
    let (near, far) = tokio::io::duplex(5000);
    let server = start(Echo::new(Config::default()), far);
    let (client, _) = connect(&h2::client::Builder::new(), near).await;
    for _ in 0..50 {
        let error = ask(&client, to("/reset")).await.unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
        let error = ask(&client, to("/refuse")).await.unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM));
    }
    let (status, _) = ask(&client, to("/echo")).await.unwrap();
    assert_eq!(status, 200);
    drop(client);
    server.await.unwrap();
}

#[tokio::test]
async fn an_early_answer_comes_whole_and_the_rest_of_the_request_is_dropped() {
    let (near, far) = tokio::io::duplex(5000);
    let _server = start(Echo::new(Config::default()), far);
    let (client, _) = connect(&h2::client::Builder::new(), near).await;
    for _ in 0..30 {
        let (status, answer) = ask(&client, to("/early")).await.unwrap();
        assert_eq!((status, answer.content.len()), (413, 0));
    }
    assert_eq!(ask(&client, to("/echo")).await.unwrap().0, 200);
}

#[tokio::test]
async fn informational_responses_pass() {
    let (near, far) = tokio::io::duplex(5000);
    let _server = start(Echo::new(Config::default()), far);
    let (client, _) = connect(&h2::client::Builder::new(), near).await;
    let (status, answer) = ask(&client, to("/informational")).await.unwrap();
    assert_eq!((status, answer.content.len()), (200, 100_000));
}

#[tokio::test]
async fn their_resets_come_with_their_codes() {
    let (near, far) = tokio::io::duplex(5000);
    let server = start(Echo::new(Config::default()), far);
    let (client, _) = connect(&h2::client::Builder::new(), near).await;
    for _ in 0..20 {
        let request = http::Request::post("http://a/silent").body(()).unwrap();
        let (response, mut stream) = client
            .clone()
            .ready()
            .await
            .unwrap()
            .send_request(request, false)
            .unwrap();
        stream.send_data(Bytes::from_static(b"x"), false).unwrap();
        // A round trip, so that the request has come.
        ask(&client, to("/echo")).await.unwrap();
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
    }
    ask(&client, to("/echo")).await.unwrap();
    drop(client);
    assert_eq!(
        server.await.unwrap().resets,
        [(ErrorCode::CANCEL, false); 20]
    );
}

#[tokio::test]
async fn a_drained_server_answers_what_it_took_and_then_closes() {
    let (near, far) = tokio::io::duplex(5000);
    let mut echo = Echo::new(Config::default());
    echo.drain_after = Some(3);
    let server = start(echo, far);
    let (client, connection) = connect(&h2::client::Builder::new(), near).await;
    let messages = requests(7, 20);
    let asking: Vec<_> = messages
        .into_iter()
        .map(|message| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, message).await })
        })
        .collect();
    let (mut answered, mut refused) = (0, 0);
    for asked in asking {
        match asked.await.unwrap() {
            Ok((200, _)) => answered += 1,
            Ok(other) => panic!("{other:?}"),
            Err(_) => refused += 1,
        }
    }
    assert!(answered >= 3, "{answered} answered, {refused} refused");
    connection.await.unwrap();
    server.await.unwrap();
}
