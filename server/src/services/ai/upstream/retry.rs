//! When a failed request is sent again, and what the other side says about that.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The first wait; each further one may be twice as long.
const FIRST_MS: u64 = 500;

/// The longest wait without a hint, and the longest hint that is waited for: somebody is watching.
const LONGEST_MS: u64 = 5_000;

/// How long to wait before try `tries + 1`, or `None` where the hint asks for more patience than a person
/// who watches has. `random` is evenly drawn.
pub(super) fn wait(tries: u32, hint_ms: Option<u64>, random: u64) -> Option<Duration> {
    let bound_ms = FIRST_MS.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(LONGEST_MS);
    let ms = match hint_ms {
        Some(hint_ms) if hint_ms > LONGEST_MS => return None,
        // Everybody who was given this hint must not come back in the same instant.
        Some(hint_ms) => hint_ms + random % (hint_ms / 4 + 2),
        None => bound_ms / 2 + random % (bound_ms / 2 + 1),
    };
    Some(Duration::from_millis(ms))
}

/// When another try makes sense, in ms from now: `retry-after-ms`, else `retry-after` in seconds or as a
/// date.
pub(super) fn hint(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| *number >= 0.0);
    // A float that is too large becomes the largest integer.
    if let Some(ms) = text("retry-after-ms").and_then(number) {
        return Some(ms.ceil() as u64);
    }
    let after = text(RETRY_AFTER.as_str())?;
    if let Some(seconds) = number(after) {
        return Some((seconds * 1_000.0).ceil() as u64);
    }
    let at = httpdate::parse_http_date(after).ok()?;
    let left = at.duration_since(now).unwrap_or_default();
    u64::try_from(left.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hinted(pairs: &[(&'static str, &'static str)]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        hint(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770))
    }

    #[test]
    fn every_form_of_the_hint_is_read() {
        assert_eq!(hinted(&[("retry-after", "2")]), Some(2_000));
        assert_eq!(hinted(&[("retry-after", "0.25")]), Some(250));
        assert_eq!(hinted(&[("retry-after", "9"), ("retry-after-ms", "12.5")]), Some(13));
        assert_eq!(hinted(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]), Some(7_000));
        assert_eq!(hinted(&[("retry-after", "Sat, 05 Nov 1994 08:49:37 GMT")]), Some(0));
        assert_eq!(hinted(&[("retry-after", "1e300")]), Some(u64::MAX));
        for nonsense in ["soon", "-1", "NaN", ""] {
            assert_eq!(hinted(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(hinted(&[]), None);
    }

    #[test]
    fn waits_grow_and_have_a_bound() {
        let range = |tries, hint| {
            let ms = |random| wait(tries, hint, random).map(|wait| wait.as_millis() as u64);
            let all: Vec<_> = (0..20_000).filter_map(ms).collect();
            (all.iter().min().copied(), all.iter().max().copied())
        };
        assert_eq!(range(1, None), (Some(250), Some(500)));
        assert_eq!(range(2, None), (Some(500), Some(1_000)));
        assert_eq!(range(40, None), (Some(2_500), Some(5_000)));
        assert_eq!(range(1, Some(1_000)), (Some(1_000), Some(1_251)));
        assert_eq!(range(1, Some(0)), (Some(0), Some(1)));
        assert_eq!(range(1, Some(5_001)), (None, None));
    }
}
