//! `network.status`: the networks of a container, as podman writes them.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::document::{DocumentContent, document};
use super::json::{Document, NESTED, Reader, Refusal, Value};

/// `network.status`: the networks that a podman container was in.
///
/// The file says `null` or `{}` for none. What it has of a network besides interfaces, such as name servers, stands in
/// [`original`](NetworkStatus::original) alone. Older podman wrote a list of another form, which is malformed here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkStatus {
    /// The networks, by their names.
    pub networks: BTreeMap<String, Network>,
    document: Document,
}

/// One network of a [`NetworkStatus`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Network {
    /// The container's interfaces in it, by their names (`interfaces`).
    pub interfaces: BTreeMap<String, NetworkInterface>,
}

/// One interface in a [`Network`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkInterface {
    /// Its addresses (`subnets`).
    pub subnets: Vec<Subnet>,
    /// Its hardware address (`mac_address`), as the file writes it.
    pub mac_address: String,
}

/// One address of a [`NetworkInterface`], as the file writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subnet {
    /// The address with the length of its prefix (`ipnet`), as in `10.88.0.9/16`.
    pub ipnet: String,
    /// The gateway's address (`gateway`).
    pub gateway: String,
}

document!(NetworkStatus, "network.status");

impl DocumentContent for NetworkStatus {
    fn fill(&mut self, root: Value<'_>, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        reader.entries("network", NESTED, root, |reader, name, value| {
            // Of two networks of one name the last is all that there is.
            let mut network = Network::default();
            reader.fields("network", value, &["interfaces"], |reader, _, value| {
                read_interfaces(reader, &mut network.interfaces, value)
            })?;
            self.networks.insert(name, network);
            Ok(())
        })
    }
}

fn read_interfaces(
    reader: &mut Reader<'_>,
    interfaces: &mut BTreeMap<String, NetworkInterface>,
    value: Value<'_>,
) -> Result<(), Refusal> {
    if value.is_null() {
        interfaces.clear();
    }
    reader.entries("interfaces", NESTED, value, |reader, name, value| {
        let mut interface = NetworkInterface::default();
        let keys = ["subnets", "mac_address"];
        reader.fields("interfaces", value, &keys, |reader, key, value| match key {
            "subnets" => reader.list(key, &mut interface.subnets, value, read_subnet),
            _ => reader.text(key, &mut interface.mac_address, value),
        })?;
        interfaces.insert(name, interface);
        Ok(())
    })
}

fn read_subnet(
    reader: &mut Reader<'_>,
    subnet: &mut Subnet,
    value: Value<'_>,
) -> Result<(), Refusal> {
    let keys = ["ipnet", "gateway"];
    reader.fields("subnets", value, &keys, |reader, key, value| match key {
        "ipnet" => reader.text(key, &mut subnet.ipnet, value),
        _ => reader.text(key, &mut subnet.gateway, value),
    })
}
