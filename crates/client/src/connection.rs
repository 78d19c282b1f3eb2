//! One socket to one broker: requests are pipelined, answers find their askers by correlation id.
//!
//! Two tasks own the halves of the socket, so a caller that gives up waiting never leaves a request half written. A
//! request that is not answered in time ends the connection, as in Kafka's own clients: nothing behind it can be
//! trusted to come soon.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Encodable, Request, StrBytes};
use ottla_model::ErrorCode;
use ottla_wire::{Api, DecodeFault, RequestHeader, ResponseHeader, Versions, decode_response};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::error::{ClientError, Result, code_of};

mod halves;

use halves::{Waiting, read_answers, write_frames};

/// What a connection needs to know.
#[derive(Clone, Debug)]
pub struct ConnectionConfig {
    /// What the client calls itself in every request.
    pub client_id: String,
    /// How long a connection may take to be made and to negotiate.
    pub connect_timeout: Duration,
    /// How long an answer may take, on top of the time the request itself asks the broker to wait.
    pub request_timeout: Duration,
    /// The largest answer that is read.
    pub response_bytes_max: usize,
}

impl Default for ConnectionConfig {
    fn default() -> ConnectionConfig {
        ConnectionConfig {
            client_id: "ottla".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            response_bytes_max: 512 * 1024 * 1024,
        }
    }
}

/// One socket to one broker. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

struct Shared {
    broker: String,
    config: ConnectionConfig,
    versions: HashMap<Api, Versions>,
    correlation_id: AtomicI32,
    /// Frames on their way to the writer. Callers wait for answers, which bounds what can pile up here.
    frames: mpsc::UnboundedSender<Bytes>,
    waiting: Arc<Waiting>,
    tasks: [JoinHandle<()>; 2],
}

impl Connection {
    /// Connects to `broker` (`host:port`) and learns which versions it speaks.
    pub async fn open(broker: &str, config: ConnectionConfig) -> Result<Connection> {
        let limit = config.connect_timeout;
        let fault = |source| ClientError::Connect {
            broker: broker.to_owned(),
            source,
        };
        match tokio::time::timeout(limit, Connection::open_unlimited(broker, config)).await {
            Ok(result) => result,
            Err(_) => Err(fault(std::io::ErrorKind::TimedOut.into())),
        }
    }

    async fn open_unlimited(broker: &str, config: ConnectionConfig) -> Result<Connection> {
        let fault = |source| ClientError::Connect {
            broker: broker.to_owned(),
            source,
        };
        let socket = TcpStream::connect(broker).await.map_err(fault)?;
        socket.set_nodelay(true).map_err(fault)?;
        let (reader, writer) = socket.into_split();
        let waiting = Arc::new(Waiting::open());
        let (frames, queue) = mpsc::unbounded_channel();
        let reading = read_answers(broker.to_owned(), reader, waiting.clone(), config.response_bytes_max);
        let tasks = [
            tokio::spawn(write_frames(writer, queue, waiting.clone())),
            tokio::spawn(reading),
        ];
        let mut shared = Shared {
            broker: broker.to_owned(),
            config,
            versions: HashMap::new(),
            correlation_id: AtomicI32::new(0),
            frames,
            waiting,
            tasks,
        };
        shared.versions = shared.negotiate().await?;
        let shared = Arc::new(shared);
        Ok(Connection { shared })
    }

    /// The broker's address, as it was given.
    pub fn broker(&self) -> &str {
        &self.shared.broker
    }

    /// Whether requests can still be made.
    pub fn is_open(&self) -> bool {
        self.shared.waiting.lock().is_some()
    }

    /// The newest version of `api` that both sides speak, but none above `version_max`.
    pub fn version(&self, api: Api, version_max: i16) -> Result<i16> {
        let theirs = self.shared.versions.get(&api).copied();
        let ours = Versions {
            min: api.handled().min,
            max: api.handled().max.min(version_max),
        };
        let fault = || ClientError::Version {
            broker: self.shared.broker.clone(),
            api,
            theirs,
        };
        theirs
            .and_then(|theirs| theirs.newest_in_common(ours))
            .ok_or_else(fault)
    }

    /// What the broker says it speaks, as far as this client does, too.
    pub fn versions(&self) -> &HashMap<Api, Versions> {
        &self.shared.versions
    }

    /// Asks and waits for the answer, in the newest version both sides speak.
    pub async fn ask<Q: Request>(&self, request: &Q) -> Result<Q::Response> {
        let version = self.version(api_of::<Q>()?, i16::MAX)?;
        self.start(version, request)?.answer(Duration::ZERO).await
    }

    /// Sends a request in `version` and returns at once; requests leave in the order of these calls.
    pub fn start<Q: Request>(&self, version: i16, request: &Q) -> Result<Pending<Q>> {
        let (correlation_id, answer) = self.shared.expect_answer(api_of::<Q>()?)?;
        self.shared.send(version, correlation_id, request)?;
        Ok(Pending {
            shared: self.shared.clone(),
            version,
            correlation_id,
            answer,
            request: PhantomData,
        })
    }

    /// Sends a request that has no answer: Produce with acks 0.
    pub fn tell<Q: Request>(&self, version: i16, request: &Q) -> Result<()> {
        self.shared.send(version, self.shared.next_correlation_id(), request)
    }

    /// An error that names this broker.
    pub(crate) fn refusal(
        &self,
        api: Api,
        code: i16,
        subject: impl Into<String>,
        message: Option<&str>,
    ) -> ClientError {
        ClientError::Refused {
            broker: self.shared.broker.clone(),
            api,
            subject: subject.into(),
            code: code_of(code),
            message: match ErrorCode::from_number(code) {
                Some(_) => message.map(str::to_owned),
                None => Some(format!("error code {code}")),
            },
        }
    }

    /// `Ok` if `code` is 0.
    pub(crate) fn accept(&self, api: Api, code: i16, subject: impl Into<String>) -> Result<()> {
        match code {
            0 => Ok(()),
            code => Err(self.refusal(api, code, subject, None)),
        }
    }

    /// The error for an answer that leaves out `subject`.
    pub(crate) fn missing(&self, api: Api, subject: impl Into<String>) -> ClientError {
        ClientError::Missing {
            broker: self.shared.broker.clone(),
            api,
            subject: subject.into(),
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connection").field(&self.shared.broker).finish()
    }
}

/// An answer under way.
pub struct Pending<Q: Request> {
    shared: Arc<Shared>,
    version: i16,
    correlation_id: i32,
    answer: oneshot::Receiver<Bytes>,
    request: PhantomData<fn() -> Q>,
}

impl<Q: Request> Pending<Q> {
    /// Waits for the answer: the connection's time-out, and on top the `patience` that the request asked of the broker.
    pub async fn answer(self, patience: Duration) -> Result<Q::Response> {
        let api = api_of::<Q>()?;
        let frame = self
            .shared
            .receive(api, self.correlation_id, self.answer, patience)
            .await?;
        self.shared.decode(api, self.version, frame)
    }
}

impl Shared {
    async fn negotiate(&self) -> Result<HashMap<Api, Versions>> {
        let api = Api::ApiVersions;
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("ottla"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        // Version 3 is spoken since Kafka 2.4; older brokers answer it with version 0 and error 35.
        let (id, answer) = self.expect_answer(api)?;
        self.send(NEGOTIATION_VERSION, id, &request)?;
        let frame = self.receive(api, id, answer, Duration::ZERO).await?;
        let mut response: ApiVersionsResponse = match self.decode(api, NEGOTIATION_VERSION, frame.clone()) {
            Ok(response) => response,
            Err(error) => self.decode(api, 0, frame).map_err(|_| error)?,
        };
        if response.error_code == ErrorCode::UnsupportedVersion.number() {
            let (id, answer) = self.expect_answer(api)?;
            self.send(0, id, &ApiVersionsRequest::default())?;
            let frame = self.receive(api, id, answer, Duration::ZERO).await?;
            response = self.decode(api, 0, frame)?;
        }
        let range = |min, max| Versions { min, max };
        let spoken = response
            .api_keys
            .iter()
            .filter_map(|key| Api::from_key(key.api_key).map(|api| (api, range(key.min_version, key.max_version))));
        Ok(spoken.collect())
    }

    fn next_correlation_id(&self) -> i32 {
        self.correlation_id.fetch_add(1, Ordering::Relaxed) & i32::MAX
    }

    fn expect_answer(&self, api: Api) -> Result<(i32, oneshot::Receiver<Bytes>)> {
        let correlation_id = self.next_correlation_id();
        let (sender, answer) = oneshot::channel();
        match self.waiting.lock().as_mut() {
            Some(waiting) => waiting.insert(correlation_id, sender),
            None => return Err(self.disconnected(api)),
        };
        Ok((correlation_id, answer))
    }

    fn send<Q: Request>(&self, version: i16, correlation_id: i32, request: &Q) -> Result<()> {
        let api = api_of::<Q>()?;
        let frame = self.encode(api, version, correlation_id, request)?;
        self.frames.send(frame).map_err(|_| self.disconnected(api))
    }

    fn encode<M: Encodable>(&self, api: Api, version: i16, correlation_id: i32, message: &M) -> Result<Bytes> {
        let fault = |what: String| ClientError::Unencodable {
            broker: self.broker.clone(),
            api,
            version,
            what,
        };
        let size = message
            .compute_size(version)
            .map_err(|error| fault(error.to_string()))?;
        let mut frame = BytesMut::with_capacity(size + 64);
        frame.put_i32(0);
        let header = RequestHeader {
            api,
            version,
            correlation_id,
            client_id: Some(StrBytes::from_string(self.config.client_id.clone())),
        };
        header.encode(&mut frame);
        message
            .encode(&mut frame, version)
            .map_err(|error| fault(error.to_string()))?;
        let length = i32::try_from(frame.len() - LENGTH_BYTES).map_err(|_| fault("above 2 GiB".to_owned()))?;
        frame[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        Ok(frame.freeze())
    }

    async fn receive(
        &self,
        api: Api,
        correlation_id: i32,
        answer: oneshot::Receiver<Bytes>,
        patience: Duration,
    ) -> Result<Bytes> {
        let after = self.config.request_timeout + patience;
        match tokio::time::timeout(after, answer).await {
            Ok(Ok(frame)) => Ok(frame),
            Ok(Err(_)) => Err(self.disconnected(api)),
            Err(_) => {
                tracing::debug!(broker = self.broker, %api, correlation_id, "no answer in time, closing");
                self.close();
                let broker = self.broker.clone();
                Err(ClientError::TimedOut { broker, api, after })
            }
        }
    }

    fn decode<M: kafka_protocol::protocol::Decodable>(&self, api: Api, version: i16, mut frame: Bytes) -> Result<M> {
        let malformed = |fault| ClientError::Malformed {
            broker: self.broker.clone(),
            fault,
        };
        ResponseHeader::decode(api, version, &mut frame).map_err(|fault| {
            let what = fault.to_string();
            malformed(DecodeFault { api, version, what })
        })?;
        decode_response(api, version, frame).map_err(malformed)
    }

    fn disconnected(&self, api: Api) -> ClientError {
        let broker = self.broker.clone();
        ClientError::Disconnected { broker, api }
    }

    fn close(&self) {
        self.waiting.close();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}

fn api_of<Q: Request>() -> Result<Api> {
    Api::from_key(Q::KEY).ok_or_else(|| ClientError::Misuse(format!("API key {} is not spoken", Q::KEY)))
}

const LENGTH_BYTES: usize = 4;
const NEGOTIATION_VERSION: i16 = 3;
