//! The access log, as far as it tells of requests that failed.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::config::LOG_MARK;

/// A request that the load balancer could not have answered by a target, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRequest {
    /// When it ended.
    pub at: SystemTime,
    /// The client's end of the connection.
    pub client: SocketAddr,
    /// The target that it was sent to; none where there was none.
    pub target: Option<SocketAddr>,
    /// The status that the client got; none where the connection was closed instead.
    pub status: Option<u16>,
}

/// Reads a node's log.
pub fn read(log: &str) -> Vec<FailedRequest> {
    log.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<FailedRequest> {
    let mut words = line.split_whitespace();
    if words.next()? != LOG_MARK {
        return None;
    }
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(words.next()?.parse().ok()?);
    let client = words.next()?.parse().ok()?;
    let target = words.next()?.parse().ok();
    let status = words.next()?.parse().ok().filter(|status| *status > 0);
    Some(FailedRequest { at, client, target, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_failures_are_read_and_others_are_not() {
        let log = "[NOTICE] (1) : New worker\nfailed 1700000000123 127.0.0.1:40001 127.20.1.4:8080 502\n\
                   failed 1700000000124 127.0.0.1:40002 -:- 503\nfailed 1700000000125 127.0.0.1:40003 127.20.1.4:8080 -1\n";
        let failed = |ms: u64, port: u16, target: Option<&str>, status: Option<u16>| FailedRequest {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + ms),
            client: ([127, 0, 0, 1], port).into(),
            target: target.map(|target| target.parse().unwrap()),
            status,
        };
        let wanted = [
            failed(123, 40001, Some("127.20.1.4:8080"), Some(502)),
            failed(124, 40002, None, Some(503)),
            failed(125, 40003, Some("127.20.1.4:8080"), None),
        ];
        assert_eq!(read(log), wanted);
    }
}
