//! `helloworld.Greeter`.

use tonic::{Request, Response, Status};

use crate::helloworld::greeter_server::Greeter;
use crate::helloworld::{HelloReply, HelloRequest};
use crate::metadata::{Authority, go_map};

/// A name longer than this is refused: the answer repeats it.
const NAME_LIMIT: usize = 64 * 1024;

/// Answers each request with the pod it reached.
#[derive(Debug, Clone)]
pub struct PodGreeter {
    /// What the answers call this pod.
    pub hostname: String,
    /// Whether answers repeat the request's metadata.
    pub print_metadata: bool,
}

#[tonic::async_trait]
impl Greeter for PodGreeter {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let metadata = self.print_metadata.then(|| {
            let authority = request.extensions().get::<Authority>();
            go_map(authority, request.metadata())
        });
        let name = request.into_inner().name;
        if name.len() > NAME_LIMIT {
            return Err(Status::invalid_argument(format!(
                "name: {} bytes, at most {NAME_LIMIT} are taken",
                name.len()
            )));
        }
        tracing::debug!(%name, "greeting");
        let mut message = format!("hostname:{}, in:{name}", self.hostname);
        if let Some(metadata) = metadata {
            message.push_str(", md:");
            message.push_str(&metadata);
        }
        Ok(Response::new(HelloReply { message }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_answer_names_pod_and_caller_in_54_characters_for_the_articles_pods() {
        let greeter = PodGreeter {
            hostname: "k8s-combat-service-5bfd78856f-8zjjf".into(),
            print_metadata: false,
        };
        let request = Request::new(HelloRequest {
            name: "world".into(),
        });
        let message = greeter
            .say_hello(request)
            .await
            .unwrap()
            .into_inner()
            .message;
        assert_eq!(
            message,
            "hostname:k8s-combat-service-5bfd78856f-8zjjf, in:world"
        );
        assert_eq!(message.len(), 54);
    }

    #[tokio::test]
    async fn a_name_of_a_megabyte_is_refused() {
        let greeter = PodGreeter {
            hostname: "a".into(),
            print_metadata: false,
        };
        let name = "x".repeat(1 << 20);
        let refused = greeter.say_hello(Request::new(HelloRequest { name })).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}
