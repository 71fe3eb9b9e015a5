//! HAProxy's configuration. It is written once: rules, groups and targets come and go through the runtime
//! socket, in slots that are declared here, so that nothing is ever reloaded.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::rules::{GROUPS_MAX, NO_TARGETS};

/// How many target groups can be behind the listener at once.
pub const BACKENDS: usize = 40;

/// How many targets a group can have, draining ones included.
pub const SERVERS: usize = 40;

/// ALB's idle timeout.
const IDLE_SECONDS: u32 = 60;

/// The name of a slot for a group.
pub fn backend(index: usize) -> String {
    format!("group-{index}")
}

/// The name of a slot for a target.
pub fn server(index: usize) -> String {
    // `server-template` counts from 1.
    format!("target-{}", index + 1)
}

/// The map of the rules, by which HAProxy knows it.
pub fn map_file(folder: &Path) -> String {
    folder.join("rules.map").display().to_string()
}

/// The runtime socket.
pub fn socket_file(folder: &Path) -> String {
    folder.join("haproxy.sock").display().to_string()
}

/// Renders the configuration.
pub fn render(folder: &Path, listen: SocketAddr) -> String {
    let (socket, map) = (socket_file(folder), map_file(folder));
    let error = |status: u16| folder.join(format!("{status}.http")).display().to_string();
    let (unavailable, bad_gateway, timeout) = (error(503), error(502), error(504));
    let port = listen.port();

    // One thread: between two requests a change is either made or not.
    let mut config = format!(
        r#"global
    nbthread 1
    stats socket "{socket}" mode 600 level admin

defaults
    mode http
    timeout connect 10s
    timeout client {IDLE_SECONDS}s
    timeout server {IDLE_SECONDS}s
    timeout http-keep-alive {IDLE_SECONDS}s
    # A client's connection goes on, a target's ends with its answer: each request is routed anew, and none
    # meets a connection that its target has just closed.
    option http-server-close
    # ALB tries a request once.
    retries 0
    # HAProxy says 503 where a target refuses the connection, ALB 502.
    errorfile 503 "{bad_gateway}"
    errorfile 502 "{bad_gateway}"
    errorfile 504 "{timeout}"

frontend listener
    bind {listen}
    http-request set-header X-Forwarded-For "%[req.fhdr(x-forwarded-for)], %[src]" if {{ req.hdr_cnt(x-forwarded-for) gt 0 }}
    http-request set-header X-Forwarded-For %[src] unless {{ req.hdr_cnt(x-forwarded-for) gt 0 }}
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Port {port}

    # The rules; see rules.rs for what the map holds.
    http-request set-var-fmt(txn.request) "%[src,hex]|%[req.hdr(host),host_only,lower]|%[path]"
    http-request set-var(txn.action) "var(txn.request),map_reg({map})"

    # A number below the sum of the weights falls to the last group that begins at or below it.
    http-request set-var(txn.total) var(txn.action),field(2,:),add(0)
    http-request set-var(txn.pick) rand,mod(txn.total)
    http-request set-var(txn.group) var(txn.action),field(4,:)
"#
    );
    for group in 1..GROUPS_MAX {
        let (begin, name) = (3 + 2 * group, 4 + 2 * group);
        let _ = writeln!(config, "    http-request set-var(txn.begin) var(txn.action),field({begin},:),add(0)");
        let _ = writeln!(
            config,
            "    http-request set-var(txn.group) var(txn.action),field({name},:) if {{ var(txn.action),field({name},:) -m found }} {{ var(txn.pick),sub(txn.begin) -m int ge 0 }}"
        );
    }
    let _ = write!(
        config,
        r#"    use_backend fixed-response if {{ var(txn.action),field(1,:) -m str fixed }}
    use_backend %[var(txn.group)] if {{ var(txn.group) -m found }}
    default_backend {NO_TARGETS}

# A group without registered targets, or no rule at all.
backend {NO_TARGETS}
    errorfile 503 "{unavailable}"

backend fixed-response
    http-request set-var(txn.status) var(txn.action),field(2,:)
    http-after-response set-header Content-Type %[var(txn.action),field(3,:)]
    http-after-response set-header Server awselb/2.0
"#
    );
    for status in (200..300).chain(400..600) {
        // HAProxy takes the status as it is written here only, and for two of them no body.
        let body = match status {
            204 | 205 => "",
            _ => r#" content-type text/plain lf-string "%[var(txn.action),field(4,:),url_dec(1)]""#,
        };
        let _ = writeln!(config, "    http-request return status {status}{body} if {{ var(txn.status) -m str {status} }}");
    }
    for index in 0..BACKENDS {
        let name = backend(index);
        let _ = write!(config, "\nbackend {name}\n    balance roundrobin\n    server-template target- {SERVERS} 0.0.0.0:1 disabled\n");
    }
    config
}

/// The files beside the configuration: an empty map, and ALB's own error pages.
pub fn files(folder: &Path) -> Vec<(String, String)> {
    let page = |status: u16, reason: &str| {
        let body = format!("<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n</body>\r\n</html>\r\n");
        let length = body.len();
        let text = format!("HTTP/1.1 {status} {reason}\r\nServer: awselb/2.0\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}");
        (folder.join(format!("{status}.http")).display().to_string(), text)
    };
    vec![
        (map_file(folder), String::new()),
        page(502, "Bad Gateway"),
        page(503, "Service Temporarily Unavailable"),
        page(504, "Gateway Time-out"),
    ]
}
