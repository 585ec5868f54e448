//! Sockets, from their images.

#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, Ipv6Addr};

use super::RawText;
use super::images::Images;
use super::model::Socket;
use crate::criu::{FileEntry, InetSk, UnixSk};

const AF_INET6: u32 = 10;

/// The socket that an open file is.
pub(super) fn socket(file: &FileEntry, images: &Images) -> Option<Socket> {
    if let Some(socket) = &file.inet {
        Some(inet(socket, images))
    } else if let Some(socket) = &file.unix {
        Some(unix(socket, images))
    } else if let Some(socket) = &file.netlink {
        Some(Socket {
            family: "netlink".to_owned(),
            protocol: socket.protocol.to_string(),
            state: unix_state(socket.state),
            inode: socket.inode,
            ..Socket::default()
        })
    } else {
        file.packet.as_ref().map(|socket| Socket {
            family: "packet".to_owned(),
            protocol: socket.protocol.to_string(),
            state: "unconnected",
            ..Socket::default()
        })
    }
}

/// The flags that a socket was opened with.
pub(super) fn flags(file: &FileEntry) -> Option<u32> {
    let inet = file.inet.as_ref().map(|socket| socket.flags);
    let unix = || file.unix.as_ref().map(|socket| socket.flags);
    let netlink = || file.netlink.as_ref().map(|socket| socket.flags);
    let packet = || file.packet.as_ref().map(|socket| socket.flags);
    inet.or_else(unix).or_else(netlink).or_else(packet)
}

fn inet(socket: &InetSk, images: &Images) -> Socket {
    let (received, unsent) = images.tcp.get(&socket.inode).copied().unwrap_or_default();
    let queued = images.socket_data.get(&socket.id).copied();
    let is_tcp = socket.protocol == 6;
    let is_bound = socket.source_port != 0;
    let is_connected = socket.destination_port != 0;
    Socket {
        family: match socket.family {
            2 => "ipv4".to_owned(),
            AF_INET6 => "ipv6".to_owned(),
            other => other.to_string(),
        },
        protocol: match socket.protocol {
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            58 => "icmpv6".to_owned(),
            136 => "udplite".to_owned(),
            other => other.to_string(),
        },
        state: if is_tcp {
            tcp_state(socket.state)
        } else {
            unix_state(socket.state)
        },
        inode: socket.inode,
        source: address(socket.family, &socket.source),
        source_port: is_bound.then_some(socket.source_port),
        destination: address(socket.family, &socket.destination).filter(|_| is_connected),
        destination_port: is_connected.then_some(socket.destination_port),
        unread: received + queued.unwrap_or_default(),
        unsent,
        backlog: (is_tcp && socket.state == 10).then_some(socket.backlog),
        ..Socket::default()
    }
}

fn unix(socket: &UnixSk, images: &Images) -> Socket {
    Socket {
        family: "unix".to_owned(),
        protocol: match socket.socket_type {
            1 => "stream".to_owned(),
            2 => "datagram".to_owned(),
            5 => "seqpacket".to_owned(),
            other => other.to_string(),
        },
        state: unix_state(socket.state),
        inode: socket.inode,
        name: unix_name(&socket.name.0),
        peer: Some(socket.peer).filter(|peer| *peer != 0),
        unread: images
            .socket_data
            .get(&socket.id)
            .copied()
            .unwrap_or_default(),
        backlog: (socket.state == 10).then_some(socket.backlog),
        ..Socket::default()
    }
}

/// An abstract name begins with a NUL, for which people write `@`.
fn unix_name(bytes: &[u8]) -> Option<RawText> {
    let name = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    match name.split_first() {
        None => None,
        Some((0, rest)) => Some([b"@", rest].concat().into()),
        Some(_) => Some(name.into()),
    }
}

/// An address, whose parts are in the network's order of bytes, each read as little endian.
fn address(family: u32, parts: &[u32]) -> Option<String> {
    let bytes: Vec<u8> = parts
        .iter()
        .take(4)
        .flat_map(|part| part.to_le_bytes())
        .collect();
    if family == AF_INET6 {
        let bytes = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
        return Some(Ipv6Addr::from(bytes).to_string());
    }
    let bytes = <[u8; 4]>::try_from(bytes.get(..4)?).ok()?;
    Some(Ipv4Addr::from(bytes).to_string())
}

fn tcp_state(state: u32) -> &'static str {
    const STATES: [&str; 13] = [
        "unknown",
        "established",
        "syn-sent",
        "syn-received",
        "fin-wait-1",
        "fin-wait-2",
        "time-wait",
        "closed",
        "close-wait",
        "last-ack",
        "listen",
        "closing",
        "new-syn-received",
    ];
    let index = usize::try_from(state).unwrap_or_default();
    STATES.get(index).copied().unwrap_or("unknown")
}

/// The same numbers stand for less where there is no protocol of states.
fn unix_state(state: u32) -> &'static str {
    match state {
        1 => "connected",
        7 => "unconnected",
        10 => "listen",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_network_has_them() {
        assert_eq!(address(2, &[0x0100_007f]).unwrap(), "127.0.0.1");
        assert_eq!(address(2, &[0x0102_a8c0, 0, 0, 0]).unwrap(), "192.168.2.1");
        let six = [0x0120, 0, 0, 0x0100_0000];
        assert_eq!(address(10, &six).unwrap(), "2001::1");
        assert_eq!(address(10, &[0]), None);
        assert_eq!(address(2, &[]), None);
    }

    #[test]
    fn names_of_unix_sockets_are_as_people_write_them() {
        let name = |bytes: &[u8]| unix_name(bytes).map(|name| name.to_string());
        assert_eq!(name(b"/run/x\0"), Some("/run/x".into()));
        assert_eq!(name(b"\0abstract"), Some("@abstract".into()));
        assert_eq!(name(b""), None);
        assert_eq!(name(b"\0"), None);
    }
}
