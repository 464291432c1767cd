use super::*;
use crate::tcp::DataResult;

fn registry(texts: &[&str]) -> (ListenerRegistry, Arc<ListenerSet>) {
    ListenerRegistry::new(texts.iter().map(|text| text.parse().unwrap()), FaultInjection::default()).unwrap()
}

fn wanted(rules: &[(&str, bool)]) -> Vec<(EndpointRange, bool)> {
    rules.iter().map(|(text, as_before)| (text.parse().unwrap(), *as_before)).collect()
}

fn change(registry: &ListenerRegistry, rules: &[(&str, bool)]) -> Result<ListenerUpdate, RulesError> {
    registry.change(&wanted(rules), FaultInjection::default())
}

fn number(rules: &ListenerSet, at: &str) -> Option<u16> {
    rules.lookup(at.parse().unwrap()).map(|id| id.0)
}

#[test]
fn a_rule_that_stays_keeps_its_number_and_a_new_one_takes_a_free_one() {
    let (first, rules) = registry(&["10.0.0.1:80", "10.0.0.1:81", "10.0.0.1:82"]);
    assert_eq!(number(&rules, "10.0.0.1:82"), Some(2));
    let plan = change(&first, &[("10.0.0.1:82", true), ("10.0.0.1:83", false)]).unwrap();
    assert_eq!(number(&plan.rules, "10.0.0.1:82"), Some(2));
    assert_eq!(number(&plan.rules, "10.0.0.1:83"), Some(3), "0 and 1 may still have connections");
    assert_eq!(number(&plan.rules, "10.0.0.1:80"), None);
    assert_eq!(plan.registry.draining().count(), 2);
    let plan = plan.registry.forget(&[false, true]).unwrap();
    let plan = change(&plan.registry, &[("10.0.0.1:84", false)]).unwrap();
    assert_eq!(number(&plan.rules, "10.0.0.1:84"), Some(0), "given back and taken again");
    assert!(plan.registry.forget(&[true, true, true]).is_none(), "all are in use");
}

#[test]
fn steering_and_arp_cover_what_is_leaving() {
    let (first, _) = registry(&["10.0.0.0/24:80", "10.0.0.0/24:81", "[2001:db8::1]:80"]);
    let plan = change(&first, &[("10.1.0.1:80", false)]).unwrap();
    assert_eq!(plan.registry.owned().count(), 4);
    for (address, owned) in
        [("10.0.0.9", true), ("10.1.0.1", true), ("10.0.1.9", false), ("2001:db8::1", true)]
    {
        assert_eq!(plan.rules.owns_address(address.parse().unwrap()), owned, "{address}");
    }
    let plan = plan.registry.forget(&[false, false, false]).unwrap();
    assert_eq!(plan.registry.owned().map(ToString::to_string).collect::<Vec<_>>(), ["10.1.0.1:80"]);
    assert!(!plan.rules.owns_address("10.0.0.9".parse().unwrap()));
}

#[test]
fn what_is_to_stay_must_be_there() {
    let (first, _) = registry(&["10.0.0.1:80"]);
    let missing = change(&first, &[("10.0.0.1:81", true)]).err().unwrap();
    assert_eq!(missing, RulesError::NotThere("10.0.0.1:81".parse().unwrap()));
    let gone = change(&first, &[]).unwrap().registry;
    assert!(change(&gone, &[("10.0.0.1:80", true)]).is_err(), "given up is not there");
}

#[test]
fn numbers_run_out_only_while_given_up_rules_have_connections() {
    let rule = |third: u8, n: u16| -> EndpointRange {
        format!("10.{third}.{}.{}:80", n >> 8, n & 255).parse().unwrap()
    };
    let (first, _) =
        ListenerRegistry::new((0..40_000).map(|n| rule(0, n)), FaultInjection::default()).unwrap();
    let second: Vec<_> = (0..40_000).map(|n| (rule(1, n), false)).collect();
    let refused = first.change(&second, FaultInjection::default()).err().unwrap();
    assert_eq!(refused, RulesError::NoNumber { draining: 0 });
    let none = first.change(&[], FaultInjection::default()).unwrap().registry;
    let refused = none.change(&second, FaultInjection::default()).err().unwrap();
    assert!(refused.to_string().contains("40000 given up ones still have connections"), "{refused}");
    let free = none.forget(&vec![false; 40_000]).unwrap().registry;
    assert!(free.change(&second, FaultInjection::default()).is_ok());
}

/// Tells itself from others by its window.
struct Marked(u16);

impl ConnectionHandler for Marked {
    fn window(&self) -> u16 {
        self.0
    }

    fn on_data(&mut self, _: &mut crate::tcp::Connection<'_>, _: &[u8]) -> DataResult {
        DataResult::Taken
    }
}

fn marked(mark: u16) -> Box<dyn ConnectionHandler> {
    Box::new(Marked(mark))
}

#[test]
fn users_that_stay_go_over_and_the_others_come_back_to_be_freed() {
    let (first, mut rules) = registry(&["10.0.0.1:80", "10.0.0.1:81", "10.0.0.1:82"]);
    let mut handlers = vec![marked(10), marked(11), marked(12)];
    let plan = change(&first, &[("10.0.0.1:82", true), ("10.0.0.1:83", false)]).unwrap();
    let mut given = plan.for_core(|place| marked(100 + place as u16));
    given.swap(&mut rules, &mut handlers);
    let marks = |handlers: &[Box<dyn ConnectionHandler>]| {
        handlers.iter().map(|handler| handler.window()).collect::<Vec<_>>()
    };
    assert_eq!(marks(&handlers), [10, 11, 12, 101]);
    assert_eq!(number(&rules, "10.0.0.1:83"), Some(3));
    assert_eq!(number(&given.rules, "10.0.0.1:80"), Some(0), "the old rules");

    let plan = plan.registry.forget(&[false, true]).unwrap();
    let mut given = plan.for_core(|_| panic!("none begins"));
    given.swap(&mut rules, &mut handlers);
    assert_eq!(marks(&handlers)[1..], [11, 12, 101]);
    assert_eq!(marks(&given.handlers)[0], 10, "whose rule is forgotten");
}
