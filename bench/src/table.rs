//! The table, in Markdown.

use std::fmt::Write;

use crate::case::Case;
use crate::figure::{Better, Figure, Subject};
use crate::samples::{Failure, Samples};
use crate::statistics::{Spread, ratio, spread};

const HEAD: &str = "\
| row | what | unit | Ottla | compared with | its value | Ottla / it | goal | |
|---|---|---|---|---|---|---|---|---|
";

const HEAD_ALONE: &str = "\
| row | what | unit | median | least | largest | goal |
|---|---|---|---|---|---|---|
";

/// Every figure of these cases that has values, with each it is compared with, and every case that failed.
pub fn table(cases: &[Case], samples: &Samples) -> String {
    let one_subject = samples.are_of_ottla_alone();
    let mut text = if one_subject { HEAD_ALONE } else { HEAD }.to_owned();
    for case in cases {
        if one_subject {
            alone(&mut text, case, samples);
        } else {
            for (figure, (against, goal)) in pairings(case) {
                line(&mut text, figure, against, goal, samples);
            }
        }
        for failure in samples.failures.iter().filter(|failure| failure.case == case.name) {
            failed(&mut text, case, failure, one_subject);
        }
    }
    text
}

/// Each figure with each it is compared with and the goal of that.
fn pairings(case: &Case) -> impl Iterator<Item = (&'static Figure, (Subject, Option<f64>))> {
    let figures = case.figures.iter();
    figures.flat_map(|figure| figure.against.iter().map(move |against| (figure, *against)))
}

fn failed(text: &mut String, case: &Case, failure: &Failure, one_subject: bool) {
    let row = case.figures.first().map_or("", |figure| figure.row);
    let columns = if one_subject {
        " | | | | | |"
    } else {
        " | | | | | | | |"
    };
    let why = failure.why.replace('|', "/");
    let (name, subject, pass) = (case.name, failure.subject.name(), failure.pass);
    let _ = writeln!(
        text,
        "| {row} | **failed**: {name} on {subject} in pass {pass}: {why}{columns}"
    );
}

/// The figures of Ottla by itself.
fn alone(text: &mut String, case: &Case, samples: &Samples) {
    for figure in case.figures {
        let Some(own) = spread(&samples.of(figure, Subject::Ottla)) else {
            continue;
        };
        let [median, min, max] = [own.median, own.min, own.max].map(digits);
        let goal = figure.mark.map_or(String::new(), |mark| told_goal(figure, "", mark));
        let (row, name, unit) = (figure.row, figure.name, figure.unit);
        let _ = writeln!(text, "| {row} | {name} | {unit} | {median} | {min} | {max} | {goal} |");
    }
}

fn line(text: &mut String, figure: &Figure, against: Subject, goal: Option<f64>, samples: &Samples) {
    let (ours, theirs) = (samples.of(figure, Subject::Ottla), samples.of(figure, against));
    let (own, other) = (spread(&ours), spread(&theirs));
    if own.is_none() && other.is_none() {
        return;
    }
    let [own, other] = [own, other].map(|spread| spread.map_or("not measured".to_owned(), told));
    let ratio = ratio(
        &samples.by_pass(figure, Subject::Ottla),
        &samples.by_pass(figure, against),
    );
    let noisy = samples.noisy(figure, Subject::Ottla) + samples.noisy(figure, against);
    let goal = [
        goal.map(|goal| told_goal(figure, "", goal)),
        figure.mark.map(|mark| told_goal(figure, "own ", mark)),
    ];
    let goal = goal.into_iter().flatten().collect::<Vec<_>>().join("; ");
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {} | {other} | {} | {goal} | {}{} |",
        figure.row,
        figure.name,
        figure.unit,
        own,
        compared_with(figure, against),
        ratio.map_or(String::new(), told),
        ratio.map_or(String::new(), |ratio| verdict(figure, against, ratio)),
        if noisy > 0 { ", noisy" } else { "" },
    );
}

/// Whom, and where writes are acknowledged, whether theirs are as durable as ours.
fn compared_with(figure: &Figure, against: Subject) -> String {
    let durability = match (figure.writes, against) {
        (false, _) => "",
        (true, Subject::KafkaFlushed) => " (both durable)",
        (true, _) => " (ours durable, theirs not)",
    };
    format!("{}{durability}", against.name())
}

fn told_goal(figure: &Figure, whose: &str, limit: f64) -> String {
    let sign = match figure.better {
        Better::Lower => "≤",
        Better::Higher => "≥",
    };
    format!("{whose}{sign} {limit}")
}

/// Ahead if the median ratio is on the good side of one; a goal is told apart.
fn verdict(figure: &Figure, against: Subject, ratio: Spread) -> String {
    let place = if figure.reaches(ratio.median, 1.0) {
        "ahead"
    } else {
        "behind"
    };
    let goal = figure.against.iter().find(|(subject, _)| *subject == against);
    match goal.and_then(|(_, goal)| *goal) {
        Some(goal) if figure.reaches(ratio.median, goal) => format!("{place}, goal reached"),
        Some(_) => format!("{place}, **goal missed**"),
        None => place.to_owned(),
    }
}

fn told(spread: Spread) -> String {
    format!(
        "**{}** ({}–{})",
        digits(spread.median),
        digits(spread.min),
        digits(spread.max)
    )
}

/// Three digits, which is more than any of this is good for.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::CASES;
    use crate::figure::PLAIN;

    const COST: Figure = Figure {
        row: "1",
        name: "cost",
        unit: "CPU-s/GB",
        writes: true,
        against: &[(Subject::Kafka, Some(0.35)), (Subject::KafkaFlushed, None)],
        ..PLAIN
    };

    #[test]
    fn a_line_says_who_is_ahead_and_whether_that_is_enough() {
        let mut samples = Samples::default();
        for (subject, value) in [
            (Subject::Ottla, 1.0),
            (Subject::Kafka, 2.0),
            (Subject::KafkaFlushed, 0.5),
        ] {
            samples.add(&COST, subject, value, false);
        }
        let mut text = String::new();
        for (against, goal) in COST.against {
            line(&mut text, &COST, *against, *goal, &samples);
        }
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("Kafka (ours durable, theirs not)"), "{text}");
        assert!(
            lines[0].contains("**0.500** (0.500–0.500) | ≤ 0.35 | ahead, **goal missed**"),
            "{text}"
        );
        assert!(lines[1].contains("(both durable)"), "{text}");
        assert!(lines[1].ends_with("| behind |"), "{text}");
    }

    #[test]
    fn a_case_that_failed_is_shown_beside_what_was_measured() {
        let case = Case {
            name: "cost",
            figures: &[COST],
            ..CASES[0]
        };
        let mut samples = Samples::default();
        samples.add(&COST, Subject::Ottla, 1.0, false);
        samples.add(&COST, Subject::Kafka, 2.0, false);
        samples.fail("cost", Subject::Kafka, "it |\n broke");
        let text = table(&[case], &samples);
        assert!(text.contains("**1.00** (1.00–1.00)"), "{text}");
        let failed = text.lines().last().unwrap();
        assert!(
            failed.contains("**failed**: cost on Kafka in pass 0: it / broke"),
            "{text}"
        );
        let columns = |line: &str| line.matches('|').count();
        assert_eq!(columns(failed), columns(HEAD.lines().next().unwrap()));
    }

    #[test]
    fn what_kafka_was_measured_with_stays_if_ottla_fails() {
        let case = Case {
            name: "cost",
            figures: &[COST],
            ..CASES[0]
        };
        let mut samples = Samples::default();
        samples.add(&COST, Subject::Kafka, 2.0, false);
        samples.fail("cost", Subject::Ottla, "it broke");
        let text = table(&[case], &samples);
        assert!(
            text.contains("| not measured | Kafka (ours durable, theirs not) | **2.00**"),
            "{text}"
        );
    }

    #[test]
    fn three_digits_are_told() {
        assert_eq!(
            [0.1234, 1.234, 12.34, 123.4].map(digits),
            ["0.123", "1.23", "12.3", "123"]
        );
    }
}
