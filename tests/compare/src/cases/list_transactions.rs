//! ListTransactions by a pattern of transactional ids.

use anyhow::Result;
use kafka_protocol::messages::{ListTransactionsRequest, TransactionalId};

use crate::cases::transactions::init_request;
use crate::cases::{Case, in_versions};
use crate::requests::text;
use crate::script::Script;

/// All cases of this area.
pub fn cases() -> Vec<Case> {
    in_versions("list_transactions/pattern", 2..=2, pattern)
}

fn pattern(s: &mut Script<'_>, version: i16) -> Result<()> {
    for stem in ["one", "two", "two-two"] {
        let init = init_request(&TransactionalId(s.name(stem)));
        while s.must(4, &init)?.error_code != 0 {
            s.sleep(50);
        }
    }
    let own = s.name("").to_string();
    s.own_only();
    let patterns = [
        ("none", None),
        ("empty", Some(String::new())),
        ("all", Some(format!("{own}.*"))),
        ("one", Some(format!("{own}one"))),
        ("the beginning of two", Some(format!("{own}two"))),
        ("the middle of all", Some("tw".to_owned())),
        ("a choice", Some(format!("{own}(one|two-.*)"))),
        ("none at all", Some(format!("{own}[0-9]"))),
    ];
    for (label, pattern) in patterns {
        let pattern = pattern.as_deref().map(text);
        let request = ListTransactionsRequest::default().with_transactional_id_pattern(pattern);
        s.ask(label, version, &request)?;
    }
    for wrong in ["(", "[", "a**", "(?=a)", r"\1", "*"] {
        let request = ListTransactionsRequest::default().with_transactional_id_pattern(Some(text(wrong)));
        s.ask(format!("wrong: {wrong}"), version, &request)?;
    }
    Ok(())
}
