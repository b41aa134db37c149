//! Tables of hashes.

use graph::cluster::Balancing;

use crate::hashed::Table;

fn places(hosts: &[u32]) -> Vec<Option<u32>> {
    let balancing = Balancing::Maglev { size: 65_537 };
    let key = |host: u32| format!("10.0.0.{host}:8080");
    let table = Table::new(balancing, hosts, |_| 1, key).unwrap();
    (0..65_537).map(|hash| table.pick(hash, 0)).collect()
}

#[test]
fn the_order_of_hosts_changes_no_place_of_maglev() {
    let sorted = places(&[1, 2, 3, 4]);
    assert_eq!(places(&[4, 2, 1, 3]), sorted);
    assert_eq!(places(&[3, 4, 2, 1]), sorted);
}
