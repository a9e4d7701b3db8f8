//! A tunnel through a proxy, for TLS (RFC 9110, 9.3.6). Used by `connector.rs`.

use super::{Proxy, ProxyError};
use crate::http::connection::Connection;
use crate::http::error::Error;
use crate::http::limits::Limits;
use crate::http::outgoing::Outgoing;
use crate::http::transport::Transport;
use http::StatusCode;

/// Asks a proxy for a tunnel to `target`, a host with its port, and returns the stream to the server.
///
/// # Errors
/// If the proxy refuses, or the exchange with it fails.
pub async fn open(
    proxy: &Proxy,
    stream: Box<dyn Transport>,
    target: &str,
    user_agent: Option<&str>,
    limits: &Limits,
) -> Result<Box<dyn Transport>, ProxyError> {
    let mut request = Outgoing::connect(target);
    if let Some(user_agent) = user_agent {
        request.set("User-Agent", user_agent);
    }
    if let Some(authorization) = &proxy.authorization {
        request.set("Proxy-Authorization", authorization);
    }
    let mut connection = Connection::new(stream);
    let status = connection.request(&request, limits).await.map(|response| response.status);
    match status {
        Ok(status) if status.is_success() => connection.into_transport().map_err(|error| failed(proxy, target, &error)),
        // tinyproxy answers 401 to a wrong password.
        Ok(StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED) => {
            Err(ProxyError::credentials(proxy.name(), proxy.authorization.is_some()))
        }
        Ok(status) => Err(ProxyError::Refused { proxy: proxy.name(), target: target.to_owned(), status }),
        Err(error) => Err(failed(proxy, target, &error)),
    }
}

fn failed(proxy: &Proxy, target: &str, error: &Error) -> ProxyError {
    let transient = error.is_transient();
    ProxyError::Failed { proxy: proxy.name(), target: target.to_owned(), why: error.to_string(), transient }
}
