use super::*;

fn set(texts: &[&str]) -> BTreeSet<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn chosen(owned: &[&str], local: &[&str], links: &[&str]) -> BTreeSet<IpAddr> {
    let owned: Vec<EndpointRange> = owned.iter().map(|text| text.parse().unwrap()).collect();
    let links: Vec<IpNet> = links.iter().map(|text| text.parse().unwrap()).collect();
    candidates(&owned, &set(local), &links)
}

#[test]
fn what_is_ours_alone_is_announced() {
    let owned = ["10.0.0.50:80", "10.0.0.50:443", "10.0.0.5:80", "[2001:db8::50]:80"];
    let found = chosen(&owned, &["10.0.0.5", "2001:db8::5"], &["10.0.0.0/24", "2001:db8::/64"]);
    assert_eq!(found, set(&["10.0.0.50", "2001:db8::50"]));
}

#[test]
fn hosts_of_a_link_that_is_taken_whole_keep_their_addresses() {
    assert_eq!(chosen(&["10.0.0.0/24:80"], &["10.0.0.5"], &["10.0.0.0/24"]), set(&[]));
    assert_eq!(chosen(&["10.0.0.0/23:80"], &[], &["10.0.0.0/24"]).len(), 256, "10.0.1.0/24 is no link");
    // A part of a link: neither its network's nor its broadcast address.
    assert_eq!(chosen(&["10.0.0.0/30:80"], &["10.0.0.2"], &["10.0.0.0/29"]), set(&["10.0.0.1", "10.0.0.3"]));
    assert_eq!(chosen(&["10.0.0.4/30:80"], &[], &["10.0.0.0/29"]).len(), 3);
}

#[test]
fn a_large_prefix_is_announced_in_part() {
    assert_eq!(chosen(&["10.0.0.0/8:80"], &[], &[]).len(), OF_A_PREFIX);
    assert_eq!(chosen(&["[2001:db8::]/64:80"], &[], &[]).len(), OF_A_PREFIX);
    let many: Vec<String> = (0..9).map(|number| format!("10.{number}.0.0/16:80")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(chosen(&many, &[], &[]).len(), MOST);
}

#[test]
fn what_is_no_address_of_a_host_is_not_announced() {
    assert_eq!(chosen(&["0.0.0.0/0:80", "[::]/0:80"], &[], &[]), set(&[]));
}

/// (device, addresses) by milliseconds.
fn play(schedule: &mut Schedule, start: Instant, until_ms: u64) -> Vec<(u64, usize, usize)> {
    let mut sent = Vec::new();
    for ms in 0..=until_ms {
        let now = start + Duration::from_millis(ms);
        schedule.run(now, |device, addresses| {
            sent.push((ms, device, addresses.len()));
            true
        });
    }
    sent
}

#[test]
fn each_address_is_announced_so_often_two_seconds_apart() {
    let start = Instant::now();
    let mut schedule = Schedule::new(2);
    schedule.add(0, set(&["10.0.0.50"]), start);
    assert_eq!(play(&mut schedule, start, 5000), [(0, 0, 1), (2000, 0, 1)]);
    assert_eq!(schedule.due(), None);
    let mut none = Schedule::new(0);
    none.add(0, set(&["10.0.0.50"]), start);
    assert_eq!(none.due(), None);
}

#[test]
fn many_addresses_go_out_in_bursts() {
    let start = Instant::now();
    let mut schedule = Schedule::new(1);
    schedule.add(1, (0..70).map(|last| IpAddr::from([10, 0, 0, last])), start);
    assert_eq!(play(&mut schedule, start, 1000), [(0, 1, 32), (100, 1, 32), (200, 1, 6)]);
}

#[test]
fn a_burst_that_was_not_taken_is_sent_again() {
    let start = Instant::now();
    let mut schedule = Schedule::new(1);
    schedule.add(0, set(&["10.0.0.50"]), start);
    schedule.run(start, |_, _| false);
    assert_eq!(schedule.due(), Some(start + PAUSE));
    assert_eq!(play(&mut schedule, start, 500), [(100, 0, 1)]);
}

#[test]
fn what_is_not_wanted_any_more_is_not_sent_again() {
    let start = Instant::now();
    let mut schedule = Schedule::new(3);
    schedule.add(0, set(&["10.0.0.50", "10.0.0.51"]), start);
    schedule.add(1, set(&["10.0.0.50"]), start);
    play(&mut schedule, start, 10);
    schedule.retain(&set(&["10.0.0.51"]));
    assert_eq!(play(&mut schedule, start, 2000), [(2000, 0, 1)]);
    schedule.forget(0);
    assert_eq!(schedule.due(), None);
}
