//! The generator that is built in: it needs nothing but this program, and the same prompt always
//! makes the same page.
//!
//! It goes by words, not by understanding. Whatever it takes from a prompt is escaped where it is
//! written, and what it writes asks for nothing from elsewhere.

mod brief;
mod check;
mod copy;
mod markup;
mod palette;
mod plan;
mod script;
mod style;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::generator::{Generator, Made, Page, Step, StepError};
use brief::Brief;
pub(super) use markup::escape;
use plan::Plan;

/// The built-in generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfflineGenerator;

/// What the steps hand on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Work {
    brief: Brief,
    plan: Plan,
    page: Page,
}

/// Id and title of each step.
const STEPS: [(&str, &str); 6] = [
    ("understand", "Understanding the prompt"),
    ("plan", "Planning the sections"),
    ("structure", "Writing the structure"),
    ("style", "Writing the style"),
    ("behaviour", "Writing the behaviour"),
    ("check", "Checking the result"),
];

impl Generator for OfflineGenerator {
    fn steps(&self, _prompt: &str) -> Vec<Step> {
        STEPS.map(|(id, title)| Step { id: id.to_owned(), title: title.to_owned() }).into()
    }

    fn step<'a>(
        &'a self,
        prompt: &'a str,
        index: usize,
        state: Value,
    ) -> BoxFuture<'a, Result<Made, StepError>> {
        std::future::ready(step(prompt, index, state)).boxed()
    }
}

fn step(prompt: &str, index: usize, state: Value) -> Result<Made, StepError> {
    let mut work: Work = match state {
        Value::Null => Work::default(),
        state => serde_json::from_value(state).map_err(|error| {
            failed("GENERATION_FAILED", format!("the state of the step before is lost: {error}"))
        })?,
    };
    let mut metadata = Map::new();
    let id = STEPS.get(index).map_or("", |(id, _)| id);
    let message = match id {
        "understand" => {
            work.brief = Brief::read(prompt);
            work.brief.summary()
        }
        "plan" => {
            work.plan = Plan::make(&work.brief)?;
            work.plan.summary()
        }
        "structure" => {
            work.page.title = work.brief.title.clone();
            work.page.html = markup::write(&work.brief, &work.plan);
            format!("{} sections of markup", work.plan.sections.len() + 1)
        }
        "style" => {
            work.page.css = style::write(&work.brief);
            format!("light and dark, around {}", work.brief.colour_name())
        }
        "behaviour" => {
            let (script, parts) = script::write(&work.plan);
            work.page.js = script;
            format!("scripts for {}", parts.join(", "))
        }
        "check" => {
            let report = check::check(&work.page, &work.brief).map_err(|problems| {
                failed("CHECK_FAILED", format!("the page is not sound: {}", problems.join("; ")))
            })?;
            let message = format!(
                "{} elements, {} links, all sound; {} bytes",
                report.elements,
                report.links,
                work.page.size()
            );
            metadata.insert("elements".into(), report.elements.into());
            metadata.insert("links".into(), report.links.into());
            message
        }
        _ => return Err(failed("GENERATION_FAILED", format!("there is no step {index}"))),
    };
    let writes = matches!(id, "structure" | "style" | "behaviour");
    metadata.insert("title".into(), work.brief.title.clone().into());
    metadata.insert("site".into(), work.brief.site.as_str().into());
    Ok(Made {
        message,
        page: writes.then(|| work.page.clone()),
        state: serde_json::to_value(&work)
            .map_err(|error| failed("GENERATION_FAILED", error.to_string()))?,
        metadata,
    })
}

/// A fault that doing the step again would meet again.
fn failed(code: &'static str, message: String) -> StepError {
    StepError { code, message, retry_available: false }
}

/// A number that stands for a text: the same everywhere, and evenly spread.
fn hash(text: &str) -> u64 {
    // FNV-1a.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn generate(prompt: &str) -> Result<(Work, Vec<String>), StepError> {
        let mut state = Value::Null;
        let mut messages = Vec::new();
        for index in 0..STEPS.len() {
            let made = step(prompt, index, state)?;
            state = made.state;
            messages.push(made.message);
        }
        Ok((serde_json::from_value(state).unwrap(), messages))
    }

    const PROMPTS: [&str; 12] = [
        "A shop called \"Clay & Co\" that sells handmade ceramics, with a newsletter and dark mode",
        "Portfolio for a wildlife photographer with a filterable gallery and a contact form, green",
        "A restaurant website for Luigi's Trattoria with menu, opening hours and reservations",
        "blog about slow travel with search",
        "Landing page for RustConf 2027 with schedule, speakers, pricing and FAQ",
        "dashboard of energy use",
        "a to-do list",
        "A mortgage calculator in purple",
        "Website with sections: Mission, Volunteers, Donate & help, Contact",
        "x",
        "日本茶のお店 🍵",
        "<script>alert(1)</script></title><img src=x onerror=alert(1)>\" ' --> </style> </footer>",
    ];

    #[test]
    fn every_prompt_makes_a_page_that_is_sound_and_its_own() {
        let mut pages = Vec::new();
        for prompt in PROMPTS {
            let (work, messages) = generate(prompt).unwrap_or_else(|e| panic!("{prompt}: {e:?}"));
            let again = generate(prompt).unwrap().0;
            assert_eq!(work.page, again.page, "the same prompt, the same page");
            assert!(messages.iter().all(|message| !message.is_empty()));
            assert_eq!(work.page.files().len(), 3, "{prompt}");
            assert!(work.page.size() < 64 << 10, "{prompt}: {}", work.page.size());
            assert!(!pages.contains(&work.page.html), "{prompt}");
            pages.push(work.page.html);
        }
    }

    #[test]
    fn a_hostile_prompt_stays_text() {
        let prompt = "A shop called \"<script>alert(1)</script></title>\" <b onclick='x()'>";
        let (work, _) = generate(prompt).unwrap();
        let document = work.page.document();
        assert!(work.page.title.contains("<script>alert(1)</script></title>"));
        assert!(document.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{document}");
        assert_eq!(document.matches("<script").count(), 1, "our own alone");
        assert_eq!(document.matches("</title").count(), 1);
        assert!(!document.contains("<b onclick"));
        for (prompt, page) in PROMPTS.map(|prompt| (prompt, generate(prompt).unwrap().0.page)) {
            assert!(!page.css.contains("alert(1)") && !page.js.contains("alert(1)"), "{prompt}");
        }
    }

    #[test]
    fn too_many_sections_are_too_many() {
        let sections: Vec<_> = (0..14).map(|n| format!("topic{n}")).collect();
        let prompt = format!("A site with sections: {}", sections.join(", "));
        let error = generate(&prompt).err().unwrap();
        assert_eq!((error.code, error.retry_available), ("TOO_MANY_SECTIONS", false));
    }
}
