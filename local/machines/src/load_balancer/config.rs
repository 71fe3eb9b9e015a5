//! HAProxy's configuration. It is written once: rules, groups and targets come and go through the runtime
//! socket, in slots that are declared here, so that nothing is ever reloaded.
//!
//! All files are named from HAProxy's working folder: they may stand anywhere, however long or odd the path.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::rules::{GROUPS_MAX, NO_TARGETS};

/// How many target groups can be behind the listener at once.
pub const BACKENDS: usize = 80;

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

/// The listener's name.
pub const FRONTEND: &str = "listener";

/// The first word of a line of the log.
pub const LOG_MARK: &str = "failed";

/// The cookie of a sticky rule, as ALB calls it.
pub const COOKIE: &str = "AWSALBTG";

/// The map of the rules, by which HAProxy knows it.
pub const MAP_FILE: &str = "rules.map";

/// The runtime socket.
pub const SOCKET_FILE: &str = "haproxy.sock";

/// Renders the configuration.
pub fn render(listen: SocketAddr) -> String {
    let port = listen.port();

    // One thread: between two requests a change is either made or not.
    let mut config = format!(
        r#"global
    nbthread 1
    log stdout format raw daemon
    stats socket unix@{SOCKET_FILE} mode 600 level admin

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
    # What a target sends is passed on at once, not when there is more of it.
    option http-no-delay
    # HAProxy says 503 where a target refuses the connection, ALB 502.
    errorfile 503 502.http
    errorfile 502 502.http
    errorfile 504 504.http

frontend {FRONTEND}
    bind {listen}
    # The part of ALB's access log that tells of failures: when, who asked, which target it went to, the status.
    log global
    option dontlog-normal
    log-format "{LOG_MARK} %[date(0,ms)] %ci:%cp %[bc_dst]:%[bc_dst_port] %ST"
    http-request set-header X-Forwarded-For "%[req.fhdr(x-forwarded-for)], %[src]" if {{ req.hdr_cnt(x-forwarded-for) gt 0 }}
    http-request set-header X-Forwarded-For %[src] unless {{ req.hdr_cnt(x-forwarded-for) gt 0 }}
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Port {port}

    # The rules; see rules.rs for what the map holds.
    http-request set-var(txn.cookie) req.cook({COOKIE}) if {{ req.cook({COOKIE}) -m reg ^[0-9a-z]+$ }}
    http-request set-var-fmt(txn.request) "%[var(txn.cookie)]|%[src,hex]|%[req.hdr(host),host_only,lower]|%[path]"
    http-request set-var(txn.action) var(txn.request),map_reg({MAP_FILE})

    # A number below the sum of the weights falls to the last group that begins at or below it.
    http-request set-var(txn.total) var(txn.action),field(2,:),add(0)
    http-request set-var(txn.pick) rand,mod(txn.total)
    http-request set-var(txn.goal) var(txn.action),field(4,:)
"#
    );
    for group in 1..GROUPS_MAX {
        let (begin, name) = (3 + 2 * group, 4 + 2 * group);
        let _ = writeln!(config, "    http-request set-var(txn.begin) var(txn.action),field({begin},:),add(0)");
        let _ = writeln!(
            config,
            "    http-request set-var(txn.goal) var(txn.action),field({name},:) if {{ var(txn.action),field({name},:) -m found }} {{ var(txn.pick),sub(txn.begin) -m int ge 0 }}"
        );
    }
    let _ = write!(
        config,
        r#"    http-request set-var(txn.sticky) var(txn.goal),field(3,=),add(0)
    http-response add-header Set-Cookie "{COOKIE}=%[var(txn.goal),field(2,=)]; Expires=%[date,add(txn.sticky),http_date]; Path=/" if {{ var(txn.sticky) -m found }}
    use_backend fixed-response if {{ var(txn.action),field(1,:) -m str fixed }}
    use_backend %[var(txn.goal),field(1,=)] if {{ var(txn.goal) -m found }}
    default_backend {NO_TARGETS}

# A group without registered targets, or no rule at all.
backend {NO_TARGETS}
    errorfile 503 503.http

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
        let _ =
            writeln!(config, "    http-request return status {status}{body} if {{ var(txn.status) -m str {status} }}");
    }
    for index in 0..BACKENDS {
        let name = backend(index);
        let _ = write!(
            config,
            "\nbackend {name}\n    balance roundrobin\n    server-template target- {SERVERS} 0.0.0.0:1 disabled\n"
        );
    }
    config
}

/// The files beside the configuration: an empty map, and ALB's own error pages.
pub fn files() -> Vec<(String, String)> {
    let page = |status: u16, reason: &str| {
        let body = format!(
            "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n</body>\r\n</html>\r\n"
        );
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status} {reason}\r\nServer: awselb/2.0\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        (format!("{status}.http"), text)
    };
    vec![
        (MAP_FILE.to_owned(), String::new()),
        page(502, "Bad Gateway"),
        page(503, "Service Temporarily Unavailable"),
        page(504, "Gateway Time-out"),
    ]
}
