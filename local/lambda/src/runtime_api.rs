//! The Lambda Runtime API (2018-06-01), as one `bootstrap` process meets it.
//!
//! Each process has a server on a port of its own. Lambda gives a bare `host:port`, and not every
//! runtime takes a path after it.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// Lambda takes answers of up to 6 MB.
pub const PAYLOAD_MAX_BYTES: usize = 6 * 1024 * 1024;
/// A process asks for one thing at a time; this leaves room for one that does not keep to it.
const MESSAGES_MAX: usize = 16;

/// What a process gets for its `next`.
#[derive(Clone, Debug)]
pub struct Dispatch {
    pub request_id: String,
    pub deadline_ms: u128,
    pub function_arn: String,
    pub trace_id: String,
    pub payload: Bytes,
}

/// What a process did.
#[derive(Debug)]
pub enum Message {
    /// It is ready for an invocation.
    Next,
    /// It answered its invocation.
    Response(Bytes),
    /// Its invocation failed; the body is the error as JSON.
    Error(Bytes),
    /// Its answer was longer than Lambda takes.
    TooLarge,
    /// It could not start; the body is the error as JSON.
    InitError(Bytes),
}

/// The server of one process. It ends when this is dropped.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    messages: mpsc::Receiver<Message>,
    dispatches: mpsc::Sender<Dispatch>,
    _server: JoinSet<()>,
}

impl RuntimeApi {
    /// Starts the server on a free port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (to_owner, messages) = mpsc::channel(MESSAGES_MAX);
        let (dispatches, from_owner) = mpsc::channel(1);
        let state = Arc::new(State { to_owner, dispatches: Mutex::new(from_owner), current: SyncMutex::new(None) });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, state));
        Ok(Self { address, messages, dispatches, _server: server })
    }

    /// What `AWS_LAMBDA_RUNTIME_API` says.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Gives the process an invocation, which it gets with its `next`.
    pub async fn dispatch(&self, dispatch: Dispatch) -> bool {
        self.dispatches.send(dispatch).await.is_ok()
    }

    /// What the process does next.
    pub async fn message(&mut self) -> Option<Message> {
        self.messages.recv().await
    }
}

#[derive(Debug)]
struct State {
    to_owner: mpsc::Sender<Message>,
    dispatches: Mutex<mpsc::Receiver<Dispatch>>,
    /// The request that the process has and did not answer yet.
    current: SyncMutex<Option<String>>,
}

impl State {
    /// Takes the request off the process, if it is the one it has.
    fn complete(&self, request_id: &str) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = current.as_deref() == Some(request_id);
        if is_current {
            *current = None;
        }
        is_current
    }

    fn begin(&self, request_id: &str) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(request_id.to_owned());
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        // Else each answer waits 40 ms for an acknowledgement.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| answer(&state, request));
            // A process that is gone leaves its connection; whoever watches the process sees it.
            let _ = hyper::server::conn::http1::Builder::new()
                .title_case_headers(true) // as Lambda writes them; bootstraps in shell look for that
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(state: &State, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else {
        return Ok(refusal(StatusCode::NOT_FOUND, "no such path", "NotFound"));
    };
    let parts: Vec<&str> = path.split('/').collect();
    let method = request.method().clone();
    Ok(match (&method, parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(state).await,
        (&Method::POST, ["invocation", id, "response"]) => {
            // The body is read first, also of an answer that nobody waits for: else the connection is lost.
            let body = body(request).await;
            if !state.complete(id) {
                return Ok(unknown_request());
            }
            match body {
                Some(body) => accepted(state, Message::Response(body)).await,
                None => {
                    let _ = state.to_owner.send(Message::TooLarge).await;
                    let status = StatusCode::PAYLOAD_TOO_LARGE;
                    refusal(status, "Exceeded maximum allowed payload size (6291556 bytes).", "RequestEntityTooLarge")
                }
            }
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            let body = body(request).await.unwrap_or_default();
            if !state.complete(id) {
                return Ok(unknown_request());
            }
            accepted(state, Message::Error(body)).await
        }
        (&Method::POST, ["init", "error"]) => {
            let body = body(request).await.unwrap_or_default();
            accepted(state, Message::InitError(body)).await
        }
        _ => refusal(StatusCode::NOT_FOUND, "no such path", "NotFound"),
    })
}

/// Waits for an invocation: as long as there is none, the process sleeps here.
async fn next(state: &State) -> Response<Full<Bytes>> {
    let gone = || refusal(StatusCode::GONE, "the function is being stopped", "Stopped");
    if state.to_owner.send(Message::Next).await.is_err() {
        return gone();
    }
    let Some(dispatch) = state.dispatches.lock().await.recv().await else {
        return gone();
    };
    state.begin(&dispatch.request_id);
    let response = Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", &dispatch.request_id)
        .header("Lambda-Runtime-Deadline-Ms", dispatch.deadline_ms.to_string())
        .header("Lambda-Runtime-Invoked-Function-Arn", &dispatch.function_arn)
        .header("Lambda-Runtime-Trace-Id", &dispatch.trace_id)
        .body(Full::new(dispatch.payload));
    response.unwrap_or_else(|_| gone())
}

async fn accepted(state: &State, message: Message) -> Response<Full<Bytes>> {
    let _ = state.to_owner.send(message).await;
    json_response(StatusCode::ACCEPTED, json!({"status": "OK"}))
}

/// The body, or nothing if it is longer than Lambda takes.
async fn body(request: Request<Incoming>) -> Option<Bytes> {
    let limited = Limited::new(request.into_body(), PAYLOAD_MAX_BYTES);
    Some(limited.collect().await.ok()?.to_bytes())
}

fn unknown_request() -> Response<Full<Bytes>> {
    refusal(StatusCode::BAD_REQUEST, "Invalid request ID", "InvalidRequestID")
}

fn refusal(status: StatusCode, message: &str, kind: &str) -> Response<Full<Bytes>> {
    json_response(status, json!({"errorMessage": message, "errorType": kind}))
}

fn json_response(status: StatusCode, body: serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
