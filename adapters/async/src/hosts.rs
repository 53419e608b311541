//! Where a configuration says that servers are, in the order in which they are tried. Reaches none of them.

use std::net::IpAddr;
#[cfg(unix)]
use std::path::PathBuf;

use pglock_driver::ConnectError;
use rand::seq::SliceRandom;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts};

/// What libpq takes where no port is given.
const PORT: u16 = 5432;

/// One of the servers that will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) port: u16,
    /// The name that its certificate must have.
    pub(crate) name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Address(IpAddr),
    Name(String),
    /// Where the server's socket is.
    #[cfg(unix)]
    Folder(PathBuf),
}

pub(crate) fn targets(config: &Config) -> Result<Vec<Target>, ConnectError> {
    let (hosts, addresses) = (config.get_hosts().len(), config.get_hostaddrs().len());
    let (number, ports) = (hosts.max(addresses), config.get_ports().len());
    if number == 0 {
        return Err(ConnectError::unreachable("both host and hostaddr are missing"));
    }
    if hosts > 0 && addresses > 0 && hosts != addresses {
        let words = format!("there are {hosts} of host, but {addresses} of hostaddr");
        return Err(ConnectError::unreachable(words));
    }
    if ports > 1 && ports != number {
        let words = format!("there are {ports} ports, but {number} hosts");
        return Err(ConnectError::unreachable(words));
    }
    let targets = (0..number).filter_map(|index| target(config, index)).collect();
    Ok(in_order(config, targets))
}

fn target(config: &Config, index: usize) -> Option<Target> {
    let host = config.get_hosts().get(index);
    let place = match (config.get_hostaddrs().get(index), host) {
        (Some(address), _) => Place::Address(*address),
        (None, Some(Host::Tcp(name))) => Place::Name(name.clone()),
        #[cfg(unix)]
        (None, Some(Host::Unix(folder))) => Place::Folder(folder.clone()),
        (None, None) => return None,
    };
    let ports = config.get_ports();
    let port = ports.get(index).or(ports.first()).copied().unwrap_or(PORT);
    let name = match host {
        Some(Host::Tcp(name)) => Some(name.clone()),
        #[cfg(unix)]
        Some(Host::Unix(_)) => None,
        None => None,
    };
    Some(Target { place, port, name })
}

/// As they stand, or in any order.
pub(crate) fn in_order<T>(config: &Config, mut candidates: Vec<T>) -> Vec<T> {
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        candidates.shuffle(&mut rand::rng());
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(url: &str) -> Result<Vec<(Place, u16, Option<String>)>, String> {
        let told = |target: Target| (target.place, target.port, target.name);
        match targets(&url.parse().unwrap()) {
            Ok(targets) => Ok(targets.into_iter().map(told).collect()),
            Err(error) => Err(error.message),
        }
    }

    fn name(name: &str) -> Place {
        Place::Name(name.into())
    }

    fn address(address: &str) -> Place {
        Place::Address(address.parse().unwrap())
    }

    #[test]
    fn hosts_come_in_order_with_their_ports() {
        let (a, b) = (Some("a".into()), Some("b".into()));
        assert_eq!(told("host=a"), Ok(vec![(name("a"), 5432, a.clone())]));
        let both =
            |first, second| Ok(vec![(name("a"), first, a.clone()), (name("b"), second, b.clone())]);
        assert_eq!(told("host=a,b port=7"), both(7, 7));
        assert_eq!(told("host=a,b port=7,8"), both(7, 8));
        assert_eq!(told("postgres://a:7,b/x"), both(7, 5432));
    }

    #[test]
    fn an_address_is_where_the_host_of_that_name_is() {
        let named = Some("a".into());
        assert_eq!(told("host=a hostaddr=::1"), Ok(vec![(address("::1"), 5432, named)]));
        assert_eq!(told("hostaddr=127.0.0.1 port=7"), Ok(vec![(address("127.0.0.1"), 7, None)]));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_is_a_folder_of_sockets() {
        assert_eq!(told("host=/run/x port=7"), Ok(vec![(Place::Folder("/run/x".into()), 7, None)]));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        assert!(told("user=a").unwrap_err().contains("missing"));
        assert!(told("host=a,b hostaddr=::1").unwrap_err().contains("2 of host, but 1"));
        assert!(told("host=a,b,c port=1,2").unwrap_err().contains("2 ports, but 3"));
    }

    /// Every one of them comes first at some time.
    #[test]
    fn load_is_balanced_if_asked() {
        let config: Config = "host=a,b,c load_balance_hosts=random".parse().unwrap();
        for first in ["a", "b", "c"] {
            while targets(&config).unwrap()[0].place != name(first) {}
        }
    }
}
