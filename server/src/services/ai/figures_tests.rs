//! Data answers beside the same figures, added up here straight from the CSV files.

use super::*;
use crate::services::ai::ask::resolve;

/// Sums of the last column over the lines that the filter takes, straight from the file.
fn sum(csv: &str, takes: impl Fn(&[&str]) -> bool) -> i64 {
    csv.lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|fields| takes(fields))
        .map(|fields| fields[fields.len() - 1].parse::<i64>().unwrap())
        .sum()
}

fn revenue(takes: impl Fn(&[&str]) -> bool) -> i64 {
    sum(include_str!("corpus/revenue.csv"), takes)
}

fn connections(takes: impl Fn(&[&str]) -> bool) -> i64 {
    sum(include_str!("corpus/connections.csv"), takes)
}

fn talk(earlier: &[&str], question: &str) -> Figures {
    let ask = resolve(earlier, question).unwrap_or_else(|| panic!("no figures: {question}"));
    answer(&Tables::load().unwrap(), &ask)
}

fn tell(question: &str) -> Figures {
    talk(&[], question)
}

fn labels(figures: &Figures) -> Vec<String> {
    serde_json::from_value(figures.chart.as_ref().unwrap()["data"]["labels"].clone()).unwrap()
}

fn data(figures: &Figures, dataset: usize) -> Vec<i64> {
    let chart = figures.chart.as_ref().unwrap();
    serde_json::from_value(chart["data"]["datasets"][dataset]["data"].clone()).unwrap()
}

#[test]
fn revenue_in_a_quarter_by_region() {
    let figures = tell("What was the revenue in Q2 by region?");
    assert_eq!(
        figures.sql.as_deref(),
        Some(
            "SELECT region, SUM(amount_usd) AS revenue_usd FROM revenue WHERE quarter = '2025-Q2' \
             GROUP BY region ORDER BY revenue_usd DESC, region"
        )
    );
    assert_eq!(labels(&figures), ["Americas", "Europe", "Asia-Pacific"]);
    let expected: Vec<i64> = labels(&figures)
        .iter()
        .map(|region| {
            revenue(|row| ["2025-04", "2025-05", "2025-06"].contains(&row[0]) && row[2] == region)
        })
        .collect();
    assert_eq!(data(&figures, 0), expected);
    // The total, read off the file by hand.
    assert_eq!(expected.iter().sum::<i64>(), 2_471_600);
    assert!(figures.text.starts_with("Revenue in Q2 2025 came to $2,471,600."), "{}", figures.text);
    for value in expected {
        assert!(figures.text.contains(&Metric::Revenue.amount(value)), "{}", figures.text);
    }
    let chart = figures.chart.unwrap();
    assert_eq!(chart["type"], "bar");
    assert_eq!(chart["options"]["title"]["text"], "Revenue (USD) in Q2 2025");
    assert_eq!(chart["data"]["datasets"][0]["label"], "Revenue (USD)");
}

#[test]
fn connections_per_day() {
    let figures = tell("Show me the connections per day");
    assert_eq!(
        figures.sql.as_deref(),
        Some(
            "SELECT day, SUM(opened) AS connections_opened FROM connections GROUP BY day ORDER BY day"
        )
    );
    assert_eq!(figures.chart.as_ref().unwrap()["type"], "line");
    let days = labels(&figures);
    assert_eq!((days.len(), days[0].as_str(), days[90].as_str()), (91, "2025-04-01", "2025-06-30"));
    for (day, value) in days.iter().zip(data(&figures, 0)) {
        assert_eq!(value, connections(|row| row[0] == day), "{day}");
    }
    let high = data(&figures, 0).into_iter().max().unwrap();
    assert!(figures.text.contains(&Metric::Connections.amount(high)), "{}", figures.text);
    assert!(figures.text.contains(&Metric::Connections.amount(connections(|_| true))));
}

#[test]
fn a_grid_has_a_series_for_each_region() {
    let figures = tell("revenue by month and region in the second half");
    assert_eq!(
        labels(&figures),
        ["2025-07", "2025-08", "2025-09", "2025-10", "2025-11", "2025-12"]
    );
    for (place, region) in ["Americas", "Asia-Pacific", "Europe"].into_iter().enumerate() {
        for (month, value) in labels(&figures).iter().zip(data(&figures, place)) {
            assert_eq!(value, revenue(|row| row[0] == month && row[2] == region));
        }
    }
    assert!(figures.sql.unwrap().ends_with(
        "WHERE quarter IN ('2025-Q3', '2025-Q4') GROUP BY month, region ORDER BY month, region"
    ));
}

#[test]
fn a_mean_is_taken_over_sums() {
    let figures = tell("What is the average number of connections per day in Europe?");
    let mean = connections(|row| row[3] == "Europe") as f64 / 91.0;
    let shown = Metric::Connections.amount(mean.round() as i64);
    assert!(
        figures.text.starts_with(&format!("The average per day was {shown}.")),
        "{}",
        figures.text
    );
    assert_eq!(
        figures.sql.as_deref(),
        Some(
            "SELECT AVG(total) AS average_connections_opened FROM (SELECT day, SUM(opened) AS total \
             FROM connections WHERE region = 'Europe' GROUP BY day) AS totals"
        )
    );
}

#[test]
fn extremes_come_first() {
    let figures = tell("Which month had the highest revenue?");
    let best = (1..=12).map(|m| format!("2025-{m:02}")).max_by_key(|m| revenue(|row| row[0] == m));
    assert_eq!(labels(&figures).first(), best.as_ref());
    let value = Metric::Revenue.amount(data(&figures, 0)[0]);
    let start =
        format!("The month with the highest revenue was {}, with {value}.", pretty(&best.unwrap()));
    assert!(figures.text.starts_with(&start), "{}", figures.text);
    assert!(figures.sql.unwrap().ends_with("GROUP BY month ORDER BY revenue_usd DESC, month"));

    let figures = tell("which region opened the fewest connections in June");
    assert!(
        figures.text.starts_with(
            "The region with the lowest number of connections opened was Asia-Pacific"
        )
    );
    let sql = figures.sql.as_deref().unwrap();
    assert!(sql.ends_with("GROUP BY region ORDER BY connections_opened, region"), "{sql}");
    assert_eq!(data(&figures, 0)[0], connections(|r| r[1] == "2025-06" && r[3] == "Asia-Pacific"));
}

#[test]
fn two_periods_are_compared() {
    let figures = tell("compare revenue of Q1 and Q4");
    let [q1, q4] = ["2025-Q1", "2025-Q4"].map(|quarter| revenue(|row| row[1] == quarter));
    assert_eq!(data(&figures, 0), [q1, q4]);
    let change = (q4 - q1) as f64 / q1 as f64 * 100.0;
    assert!(figures.text.contains(&format!("a rise of {change:.1}%")), "{}", figures.text);
}

#[test]
fn follow_ups_change_what_they_name_and_keep_the_rest() {
    let first = "What was the revenue in Q2 by region?";
    let figures = talk(&[first], "and in Q3?");
    assert_eq!(data(&figures, 0).iter().sum::<i64>(), revenue(|row| row[1] == "2025-Q3"));
    assert_eq!(labels(&figures).len(), 3);

    let figures = talk(&[first, "and in Q3?"], "by month?");
    assert_eq!(labels(&figures), ["2025-07", "2025-08", "2025-09"]);

    let figures = talk(&[first], "what about connections?");
    let expected = connections(|row| row[2] == "2025-Q2");
    assert_eq!(data(&figures, 0).iter().sum::<i64>(), expected);
}

#[test]
fn what_the_tables_lack_is_said() {
    for question in [
        "What was the revenue in 2019?",
        "revenue last quarter",
        "How many connections were opened in December?",
        "connections per week",
    ] {
        let figures = tell(question);
        assert!(figures.text.starts_with("I can't answer that"), "{question}: {}", figures.text);
        assert_eq!((figures.sql, figures.chart), (None, None), "{question}");
    }
    let daily = tell("daily revenue in May");
    assert!(daily.text.contains("kept per month"), "{}", daily.text);
    let half = tell("connections in the first half");
    assert!(half.text.contains("covers April to June 2025"), "{}", half.text);
}

#[test]
fn text_and_chart_agree_on_a_single_figure() {
    let figures = tell("How many connections were opened on 3 June?");
    let expected = connections(|row| row[0] == "2025-06-03");
    assert_eq!(data(&figures, 0), [expected]);
    assert!(figures.text.contains(&Metric::Connections.amount(expected)), "{}", figures.text);
    assert!(figures.text.contains("on 3 June 2025"), "{}", figures.text);
}
