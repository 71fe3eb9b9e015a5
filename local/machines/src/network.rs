//! The addresses that a run owns: one network 127.N.0.0/16, and the load balancer's port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::net::TcpSocket;

/// The networks that runs choose from. Low numbers are left to what else listens on loopback.
const NUMBERS: std::ops::RangeInclusive<u8> = 20..=250;

/// Whoever listens on this port of 127.N.255.254 owns 127.N.0.0/16.
const LOCK_PORT: u16 = 7127;

/// A network of the loopback interface that no other run uses while this value lives.
#[derive(Debug)]
pub struct Network {
    number: u8,
    _lock: TcpListener,
}

impl Network {
    /// Takes the first network that is free.
    ///
    /// # Errors
    ///
    /// Where each of them is taken.
    pub fn reserve() -> io::Result<Self> {
        for number in NUMBERS {
            if let Ok(lock) = TcpListener::bind((Ipv4Addr::new(127, number, 255, 254), LOCK_PORT)) {
                return Ok(Self { number, _lock: lock });
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!(
                "each network from 127.{}.0.0/16 to 127.{}.0.0/16 is taken by another run (or this is not Linux, \
                 where all of 127.0.0.0/8 is one's own): stop one",
                NUMBERS.start(),
                NUMBERS.end()
            ),
        ))
    }

    /// The CIDR block for the VPC.
    #[must_use]
    pub fn cidr(&self) -> String {
        format!("127.{}.0.0/16", self.number)
    }

    /// The CIDR block of a subnet, one for each third byte.
    #[must_use]
    pub fn subnet_cidr(&self, third_byte: u8) -> String {
        format!("127.{}.{third_byte}.0/24", self.number)
    }

    /// An address of the network.
    #[must_use]
    pub fn address(&self, third_byte: u8, fourth_byte: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.number, third_byte, fourth_byte)
    }
}

/// A port of 127.0.0.1 for the load balancer.
///
/// The socket is bound but does not listen, and lets others of the same user bind beside it: nobody is given
/// the port meanwhile, and HAProxy can take it.
#[derive(Debug)]
pub struct ListenerPort {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl ListenerPort {
    /// Takes a free port.
    ///
    /// # Errors
    ///
    /// Where none can be had.
    pub fn reserve() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseport(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { address: socket.local_addr()?, _socket: socket })
    }

    /// Where the load balancer listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port alone.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_have_two_networks_and_a_network_is_given_back() {
        let first = Network::reserve().unwrap();
        let second = Network::reserve().unwrap();
        assert_ne!(first.cidr(), second.cidr());
        assert!(TcpListener::bind((second.address(255, 254), LOCK_PORT)).is_err());
        let lock = second.address(255, 254);
        drop(second);
        assert!(TcpListener::bind((lock, LOCK_PORT)).is_ok());
        assert!(first.subnet_cidr(1).ends_with(".1.0/24"));
    }

    #[test]
    fn a_reserved_port_is_nobody_elses() {
        let port = ListenerPort::reserve().unwrap();
        assert!(TcpListener::bind(port.address()).is_err());
        let beside = TcpSocket::new_v4().unwrap();
        beside.set_reuseport(true).unwrap();
        assert!(beside.bind(port.address()).is_ok());
    }
}
