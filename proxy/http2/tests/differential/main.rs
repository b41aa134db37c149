//! The codec against the h2 crate over a pipe in memory, as a server and as a client: what one sends, the other receives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod as_client;
mod as_server;
mod asker;
mod echo;
mod other;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// A message as both sides see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Message {
    fields: Vec<(String, String)>,
    content: Vec<u8>,
    trailers: Option<Vec<(String, String)>>,
}

/// What drives one of our connections: called with each read, and once before.
trait Driver {
    /// Takes bytes; says whether the connection is done.
    fn turn(&mut self, input: &[u8]) -> bool;
    fn connection(&mut self) -> &mut http2::Connection;
}

/// Carries bytes between a driver and a pipe until either is done.
async fn carry(driver: &mut impl Driver, pipe: DuplexStream) {
    let (mut read, mut write) = tokio::io::split(pipe);
    let mut buffer = vec![0; 10_000];
    let mut done = driver.turn(&[]);
    while !done || driver.connection().output_len() > 0 {
        let output = driver.connection().output();
        tokio::select! {
            n = write.write(output), if !output.is_empty() => match n {
                Ok(n) => driver.connection().advance(n),
                Err(_) => return,
            },
            n = read.read(&mut buffer), if !done => match n {
                Ok(0) | Err(_) => return,
                Ok(n) => done = driver.turn(&buffer[..n]),
            },
        }
    }
}

/// Numbers without a pattern, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 1).unwrap() % n
    }
}

/// Requests of many shapes.
fn requests(seed: u64, count: usize) -> Vec<Message> {
    let mut random = Random(seed);
    (0..count)
        .map(|i| {
            let mut fields = vec![
                (":method".to_owned(), "POST".to_owned()),
                (":scheme".to_owned(), "http".to_owned()),
                (":authority".to_owned(), "svc.example:80".to_owned()),
                (":path".to_owned(), format!("/echo/{i}")),
            ];
            for field in 0..random.below(12) {
                // Some repeat from request to request, so that a dynamic table gains by them.
                let name = format!("x-field-{}", random.below(20));
                let value: String = (0..random.below(60))
                    .map(|_| char::from(b'!' + u8::try_from(random.below(90)).unwrap()))
                    .collect();
                let value = if field % 3 == 0 {
                    "the same".to_owned()
                } else {
                    value
                };
                fields.push((name, value));
            }
            let len = [0, 1, 100, 16_384, 16_385, 70_000, 200_000][random.below(7)];
            let content = (0..=250).cycle().take(len).collect();
            let trailers = (random.below(3) == 0)
                .then(|| vec![("grpc-status".to_owned(), random.below(17).to_string())]);
            Message {
                fields,
                content,
                trailers,
            }
        })
        .collect()
}

/// The regular fields of a list, in an order that both sides can agree on: h2 keeps them in a map.
fn sorted(fields: &[(String, String)]) -> Vec<(String, String)> {
    let mut fields: Vec<_> = fields
        .iter()
        .filter(|(name, _)| !name.starts_with(':'))
        .cloned()
        .collect();
    fields.sort();
    fields
}

fn list(fields: &[(String, String)]) -> headers::Headers {
    let mut list = headers::Headers::new();
    list.extend(fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
    list
}

fn fields_of(headers: &headers::Headers) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|f| {
            (
                String::from_utf8(f.name.to_vec()).unwrap(),
                String::from_utf8(f.value.to_vec()).unwrap(),
            )
        })
        .collect()
}
