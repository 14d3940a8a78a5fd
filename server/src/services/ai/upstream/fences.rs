//! What a data answer carries beside its text: the query and the chart that the model wrote into it.
//!
//! The first block fenced as `sql` is the query; the first one fenced as `json` that is an object with
//! `type` (a text) and `data` (an object), the shape that Chart.js takes, is the chart. The text itself
//! is left as it is.

use serde_json::Value;

/// The query and the chart in an answer.
pub(super) fn findings(answer: &str) -> (Option<String>, Option<Value>) {
    let (mut sql, mut chart) = (None, None);
    for block in blocks(answer) {
        match block.language.as_str() {
            "sql" if sql.is_none() && !block.text.trim().is_empty() => {
                sql = Some(block.text.trim().to_owned());
            }
            "json" if chart.is_none() => {
                chart = serde_json::from_str(&block.text).ok().filter(is_chart);
            }
            _ => {}
        }
    }
    (sql, chart)
}

fn is_chart(value: &Value) -> bool {
    value["type"].is_string() && value["data"].is_object()
}

struct Block {
    language: String,
    text: String,
}

/// Blocks between lines of three backticks or more. One that isn't closed, as in an answer that was cut
/// short, is none.
fn blocks(answer: &str) -> impl Iterator<Item = Block> {
    let mut lines = answer.lines();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            let Some((ticks, info)) = fence(line) else { continue };
            let language = info.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
            let mut text = String::new();
            for line in lines.by_ref() {
                if fence(line).is_some_and(|(closing, info)| closing >= ticks && info.is_empty()) {
                    return Some(Block { language, text });
                }
                text.push_str(line);
                text.push('\n');
            }
        }
    })
}

/// How many backticks a line starts with, and what follows them.
fn fence(line: &str) -> Option<(usize, &str)> {
    let line = line.trim();
    let info = line.trim_start_matches('`');
    let ticks = line.len() - info.len();
    (ticks >= 3 && !info.contains('`')).then_some((ticks, info.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_query_and_the_first_chart_are_found() {
        let answer = "Here:\n```sql\nSELECT 1;\n```\nand\n```SQL\nSELECT 2;\n```\n\
                      ```json\n{\"type\": 7}\n```\n  ```json\n{\"type\":\"bar\",\"data\":{\"labels\":[]}}\n  ```\n";
        let (sql, chart) = findings(answer);
        assert_eq!(sql.as_deref(), Some("SELECT 1;"));
        assert_eq!(chart.unwrap()["type"], "bar");
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        for answer in [
            "no block at all: SELECT 1",
            "```sql\nSELECT 1; -- cut short",
            "```python\nprint('```sql')\n```",
            "```sql\n\n```",
            "````md\n```sql\nSELECT 1\n```\n````",
            "```json\n[1, 2]\n```",
            "```json\n{\"type\":\"bar\",\"data\":[1]}\n```",
            "```json\n{\"type\":\"bar\",\"data\":{}\n```",
        ] {
            assert_eq!(findings(answer), (None, None), "{answer}");
        }
    }
}
