//! `ottla serve`: run a broker.

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use ottla_broker::{OpenFault, Running, StartFault};
use ottla_cluster::config::{BrokerConfig, BrokerConfigLoader, Profile};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::exit::{Exit, Failure};

/// Run a broker on this machine.
///
/// Once it accepts clients it prints one line of JSON to stdout; everything else goes to stderr. SIGTERM and Ctrl-C stop
/// it cleanly. Configuration is Kafka's own: a server.properties can be carried over, and what Ottla does not support is
/// named in a warning.
#[derive(Args)]
pub(crate) struct Serve {
    /// Directory for all data; made if it does not exist [default: ./ottla-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:9092, in production all addresses]
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    listen: Option<String>,
    /// Address that clients are told to come back to [default: the one they used]
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    advertise: Option<String>,
    /// A properties file in Kafka's format
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One property; wins over the file
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Which defaults hold: dev rebalances at once, production waits as Kafka does
    #[arg(long, value_name = "NAME", default_value = "dev", value_parser = ["dev", "production"])]
    profile: String,
}

impl Serve {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        log_to_stderr();
        let config = self.configuration()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))?;
        runtime.block_on(async {
            let running = ottla_broker::start(config)
                .await
                .map_err(|fault| cannot_start(&fault))?;
            announce(&running)?;
            wait_for_the_end()
                .await
                .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))?;
            info!("stopping");
            running.stop().await.map_err(Failure::failed)?;
            Ok(Exit::Done)
        })
    }

    /// Defaults, then the file, then `--set`, then the options that have names of their own.
    fn configuration(&self) -> Result<BrokerConfig, Failure> {
        let profile = if self.profile == "production" {
            Profile::Production
        } else {
            Profile::Dev
        };
        let mut loader = BrokerConfigLoader::new(profile);
        if let Some(path) = &self.config {
            loader = loader.properties(&path.display().to_string(), &read(path)?);
        }
        for set in &self.set {
            loader = loader.set(set);
        }
        if let Some(data) = &self.data {
            loader = loader.set(&format!("log.dirs={}", data.display()));
        }
        if let Some(listen) = &self.listen {
            loader = loader.set(&format!("listeners=PLAINTEXT://{listen}"));
        }
        if let Some(advertise) = &self.advertise {
            loader = loader.set(&format!("advertised.listeners=PLAINTEXT://{advertise}"));
        }
        let loaded = loader.load().map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Failure::usage(lines.join("\nottla: "))
        })?;
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        Ok(loaded.config)
    }
}

/// Why the broker does not start, and what helps.
fn cannot_start(fault: &StartFault) -> Failure {
    let help = match fault {
        StartFault::Listen { cause, .. } if cause.kind() == std::io::ErrorKind::AddrInUse => {
            "; perhaps a broker runs there already, or choose another address with --listen"
        }
        StartFault::Open(OpenFault::InUse(_)) => "; stop that one, or choose another directory with --data",
        _ => "",
    };
    Failure::failed(format!("{fault}{help}"))
}

fn host_and_port(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err("not HOST:PORT; examples: 127.0.0.1:9092, [::1]:9092, broker.example:9092".to_owned()),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("OTTLA_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// The one line on stdout: whoever started the broker may wait for it instead of trying the port.
fn announce(running: &Running) -> Result<(), Failure> {
    let address = reachable(running.address());
    let ready = serde_json::json!({ "ready": {
        "bootstrap": address.to_string(),
        "data": running.directory().display().to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
    }});
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{ready}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::failed(format!("stdout: {error}")))?;
    if !running.address().ip().is_loopback() {
        warn!(
            "listening on {}: whoever reaches it may read, write and delete everything, for there is no authentication yet",
            running.address()
        );
    }
    info!("ready at {address}; try: ottla topic create orders --partitions 6 --bootstrap {address}");
    Ok(())
}

/// An address to connect to from here, also where the broker listens on all of them.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

async fn wait_for_the_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}
