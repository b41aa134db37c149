//! We ask, h2 answers.

use http2::{Config, ErrorCode};

use crate::asker::{Asker, Outcome};
use crate::other::serve;
use crate::{Message, carry, requests, sorted};

async fn ask(config: Config, builder: h2::server::Builder, messages: Vec<Message>) -> Asker {
    ask_until(Asker::new(config, messages), builder, usize::MAX).await
}

async fn ask_until(mut asker: Asker, builder: h2::server::Builder, most: usize) -> Asker {
    let (near, far) = tokio::io::duplex(5000);
    let server = tokio::spawn(serve(far, builder, most));
    carry(&mut asker, near).await;
    server.await.unwrap();
    asker
}

async fn all_come_back(config: Config, builder: h2::server::Builder, messages: Vec<Message>) {
    let asker = ask(config, builder, messages.clone()).await;
    came_back(&asker, messages);
}

fn came_back(asker: &Asker, messages: Vec<Message>) {
    assert_eq!(asker.outcomes.len(), messages.len());
    for (token, message) in (0..).zip(messages) {
        let Outcome::Answered(answer) = &asker.outcomes[&token] else {
            panic!("{:?}", asker.outcomes[&token])
        };
        assert_eq!(answer.fields[0], (":status".to_owned(), "200".to_owned()));
        assert_eq!(sorted(&answer.fields), sorted(&message.fields));
        assert_eq!(answer.content, message.content);
        assert_eq!(answer.trailers, message.trailers);
    }
}

#[tokio::test]
async fn requests_of_many_shapes_come_back() {
    let builder = h2::server::Builder::new();
    all_come_back(Config::default(), builder, requests(11, 150)).await;
}

#[tokio::test]
async fn small_windows_both_ways_only_take_longer() {
    let config = Config {
        initial_window: 1000,
        connection_window: 65_535,
        ..Config::default()
    };
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(700);
    all_come_back(config, builder, requests(12, 40)).await;
}

#[tokio::test]
async fn every_size_of_the_dynamic_table_decodes() {
    for header_table_size in [0, 100, 4096, 100_000] {
        let config = Config {
            header_table_size,
            ..Config::default()
        };
        let mut builder = h2::server::Builder::new();
        builder.header_table_size(header_table_size);
        all_come_back(config, builder, requests(13, 60)).await;
    }
}

#[tokio::test]
async fn few_streams_at_once_all_get_their_turn() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(3);
    let messages = requests(14, 60);
    let mut asker = Asker::new(Config::default(), messages.clone());
    asker.patient = true;
    let asker = ask_until(asker, builder, usize::MAX).await;
    came_back(&asker, messages);
}

#[tokio::test]
async fn large_sections_pass_both_ways() {
    let mut message = requests(15, 1).remove(0);
    for i in 0..40 {
        let field = (format!("x-large-{i}"), "v".repeat(1000));
        message.fields.push(field);
    }
    let mut builder = h2::server::Builder::new();
    builder.max_header_list_size(1 << 20);
    all_come_back(Config::default(), builder, vec![message; 5]).await;
}

fn to(path: &str) -> Message {
    let mut message = requests(16, 1).remove(0);
    message.fields[3].1 = path.to_owned();
    message.content = vec![7; 100_000];
    message.trailers = None;
    message
}

#[tokio::test]
async fn their_resets_come_with_their_codes_and_the_connection_goes_on() {
    let paths = ["/reset", "/refuse", "/echo"];
    let messages: Vec<Message> = (0..60).map(|i| to(paths[i % 3])).collect();
    let asker = ask(Config::default(), h2::server::Builder::new(), messages).await;
    for token in 0..60 {
        match (token % 3, &asker.outcomes[&token]) {
            (0, Outcome::Reset(ErrorCode::CANCEL))
            | (1, Outcome::Reset(ErrorCode::REFUSED_STREAM)) => {}
            (2, Outcome::Answered(answer)) => assert_eq!(answer.content.len(), 100_000),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_early_answer_comes_whole() {
    let messages = vec![to("/early"); 30];
    let asker = ask(Config::default(), h2::server::Builder::new(), messages).await;
    for token in 0..30 {
        let Outcome::Answered(answer) = &asker.outcomes[&token] else {
            panic!("{:?}", asker.outcomes[&token])
        };
        assert_eq!(answer.fields[0].1, "413");
    }
}

#[tokio::test]
async fn informational_responses_are_told() {
    let messages = vec![to("/informational"); 5];
    let asker = ask(Config::default(), h2::server::Builder::new(), messages).await;
    assert_eq!(asker.informational, 5);
    let answered = |outcome: &Outcome| matches!(outcome, Outcome::Answered(_));
    assert!(asker.outcomes.values().all(answered));
}

#[tokio::test]
async fn a_server_that_leaves_answers_what_it_took_and_refuses_the_rest() {
    let messages = requests(17, 100);
    let builder = h2::server::Builder::new();
    let asker = ask_until(Asker::new(Config::default(), messages), builder, 3).await;
    assert!(asker.left);
    let answered = asker
        .outcomes
        .values()
        .filter(|outcome| matches!(outcome, Outcome::Answered(_)))
        .count();
    let refused = asker
        .outcomes
        .values()
        .filter(|outcome| **outcome == Outcome::Refused)
        .count();
    // None is lost between: each was answered, refused, or never opened.
    assert!(answered >= 3, "{answered} answered, {refused} refused");
    assert_eq!(answered + refused, asker.outcomes.len());
}
