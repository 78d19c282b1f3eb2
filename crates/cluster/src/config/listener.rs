//! Addresses as Kafka writes them: `NAME://host:port`.

use std::fmt;

/// One address with the name of its listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name, such as `PLAINTEXT`.
    pub listener: String,
    /// The host; `None` is every address of the machine.
    pub host: Option<String>,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

/// Why a text is not a list of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenerFault {
    /// It is not `NAME://host:port`.
    #[error("'{0}' is not of the form NAME://host:port")]
    Form(String),
    /// The port is not a number below 65536.
    #[error("'{0}' has no port between 0 and 65535")]
    Port(String),
    /// Two listeners have one name.
    #[error("Each listener must have a different name, but {0} occurs twice")]
    Name(String),
}

impl Endpoint {
    /// Reads a list of addresses, separated by commas.
    pub fn parse_list(text: &str) -> Result<Vec<Endpoint>, ListenerFault> {
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let endpoint = Endpoint::parse(item)?;
            if endpoints.iter().any(|other| other.listener == endpoint.listener) {
                return Err(ListenerFault::Name(endpoint.listener));
            }
            endpoints.push(endpoint);
        }
        if endpoints.is_empty() {
            return Err(ListenerFault::Form(text.to_owned()));
        }
        Ok(endpoints)
    }

    fn parse(text: &str) -> Result<Endpoint, ListenerFault> {
        let form = || ListenerFault::Form(text.to_owned());
        let (listener, address) = text.split_once("://").ok_or_else(form)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(form)?;
        let port = port.parse().map_err(|_| ListenerFault::Port(text.to_owned()))?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if listener.is_empty() || bracketed.is_none() && host.contains([':', '[', ']', '/']) {
            return Err(form());
        }
        let host = bracketed.unwrap_or(host);
        let host = if host.is_empty() { None } else { Some(host.to_owned()) };
        Ok(Endpoint {
            listener: listener.to_ascii_uppercase(),
            host,
            port,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or_default();
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}://{open}{host}{close}:{}", self.listener, self.port)
    }
}
