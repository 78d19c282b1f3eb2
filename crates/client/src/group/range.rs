//! Kafka's RangeAssignor: of each topic, every member gets one run of partitions, the first members one more.

use std::collections::BTreeMap;

use super::{Assignment, Subscription};

/// Shares out the partitions of all topics. `members` are (member id, static id, subscription); members are ordered by
/// static id where they have one, else by member id, as Kafka does.
pub(crate) fn assign(
    mut members: Vec<(String, Option<String>, Subscription)>,
    partitions: &BTreeMap<String, usize>,
) -> BTreeMap<String, Assignment> {
    let order = |(id, instance, _): &(String, Option<String>, _)| {
        // Static members come first, by their static id.
        (instance.is_none(), instance.clone().unwrap_or_else(|| id.clone()))
    };
    members.sort_by_key(order);
    let mut shares: BTreeMap<String, Assignment> = BTreeMap::new();
    for (id, ..) in &members {
        shares.insert(id.clone(), Assignment::default());
    }
    for (topic, count) in partitions {
        let subscribes = |(_, _, subscription): &&(_, _, Subscription)| subscription.topics.contains(topic);
        let subscribers: Vec<_> = members.iter().filter(subscribes).map(|(id, ..)| id).collect();
        let mut next = 0;
        for (position, id) in subscribers.iter().enumerate() {
            let share = count / subscribers.len() + usize::from(position < count % subscribers.len());
            if let Some(assignment) = shares.get_mut(*id).filter(|_| share > 0) {
                let run = (next..next + share).map(|index| index as i32).collect();
                assignment.topics.insert(topic.clone(), run);
            }
            next += share;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, instance: Option<&str>, topics: &[&str]) -> (String, Option<String>, Subscription) {
        let topics = topics.iter().map(|topic| topic.to_string()).collect();
        (id.to_owned(), instance.map(str::to_owned), Subscription { topics })
    }

    #[test]
    fn the_first_members_get_one_more_and_unsubscribed_topics_go_by() {
        let partitions = BTreeMap::from([("a".to_owned(), 5), ("b".to_owned(), 1)]);
        let members = vec![member("m2", None, &["a"]), member("m1", None, &["a", "b"])];
        let shares = assign(members, &partitions);
        let topics = |id: &str| shares[id].topics.clone();
        assert_eq!(
            topics("m1"),
            BTreeMap::from([("a".into(), vec![0, 1, 2]), ("b".into(), vec![0])])
        );
        assert_eq!(topics("m2"), BTreeMap::from([("a".into(), vec![3, 4])]));
    }

    #[test]
    fn static_members_keep_their_place_under_a_new_member_id() {
        let partitions = BTreeMap::from([("a".to_owned(), 2)]);
        let members = vec![member("a-new", Some("z"), &["a"]), member("b", Some("y"), &["a"])];
        let shares = assign(members, &partitions);
        assert_eq!(shares["b"].topics["a"], [0]);
        assert_eq!(shares["a-new"].topics["a"], [1]);
    }

    #[test]
    fn more_members_than_partitions_leave_some_with_nothing() {
        let partitions = BTreeMap::from([("a".to_owned(), 1)]);
        let members = vec![member("m1", None, &["a"]), member("m2", None, &["a"])];
        assert!(assign(members, &partitions)["m2"].topics.is_empty());
    }
}
