//! Which sections a page has, in which order, and what stands in them.

use serde::{Deserialize, Serialize};

use super::brief::{Brief, Feature, feature_of};
use super::{StepError, copy, failed};

/// Sections that a page can have.
pub(super) const MAX_SECTIONS: usize = 12;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) lead: String,
    pub(super) action: String,
    pub(super) sections: Vec<Section>,
    pub(super) dark_switch: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Section {
    /// Unique in the page, and safe in an attribute.
    pub(super) id: String,
    pub(super) heading: String,
    pub(super) body: Body,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Body {
    Text(Vec<String>),
    Products(Vec<Card>),
    Posts(Vec<Card>),
    Gallery(Vec<Card>),
    Cards(Vec<Card>),
    /// What, and when or how much.
    Rows(Vec<(String, String)>),
    Figures(Vec<(String, u32)>),
    Quotes(Vec<(String, String)>),
    Questions(Vec<(String, String)>),
    Todo(Vec<String>),
    Calculator,
    Newsletter,
    Contact,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Card {
    pub(super) title: String,
    pub(super) text: String,
    /// A category, a date, or a price in cents as text.
    pub(super) tag: String,
}

impl Plan {
    pub(super) fn make(brief: &Brief) -> Result<Self, StepError> {
        let mut wanted: Vec<(String, Option<Feature>)> =
            brief.sections.iter().map(|name| (name.clone(), feature_of(name))).collect();
        for feature in &brief.features {
            let named = wanted.iter().any(|(_, known)| known.as_ref() == Some(feature));
            if !named && *feature != Feature::DarkSwitch {
                wanted.push((heading(*feature).to_owned(), Some(*feature)));
            }
        }
        if brief.sections.is_empty() {
            // Contact comes last, as people expect; the rest as it was asked for.
            wanted.sort_by_key(|(_, feature)| match feature {
                Some(Feature::Newsletter) => 1,
                Some(Feature::Contact) => 2,
                _ => 0,
            });
        }
        if wanted.len() > MAX_SECTIONS {
            return Err(failed(
                "TOO_MANY_SECTIONS",
                format!(
                    "the prompt asks for {} sections, and {MAX_SECTIONS} are the most on one page; ask for fewer",
                    wanted.len()
                ),
            ));
        }
        let sections = wanted
            .into_iter()
            .enumerate()
            .map(|(at, (heading, feature))| Section {
                id: format!("s{}-{}", at + 1, slug(&heading)),
                body: copy::body(brief, feature, &heading),
                heading,
            })
            .collect();
        Ok(Self {
            lead: copy::lead(brief),
            action: copy::action(brief).to_owned(),
            sections,
            dark_switch: brief.has(Feature::DarkSwitch),
        })
    }

    pub(super) fn summary(&self) -> String {
        let names: Vec<_> = self.sections.iter().map(|section| section.heading.as_str()).collect();
        format!("{} sections: {}", names.len(), names.join(", "))
    }

    /// Whether one of the sections is of this sort.
    pub(super) fn any(&self, is: impl Fn(&Body) -> bool) -> bool {
        self.sections.iter().any(|section| is(&section.body))
    }
}

fn heading(feature: Feature) -> &'static str {
    match feature {
        Feature::About => "About",
        Feature::Products => "Products",
        Feature::Posts => "Latest posts",
        Feature::Gallery => "Gallery",
        Feature::Menu => "Menu",
        Feature::Hours => "Opening hours",
        Feature::Schedule => "Schedule",
        Feature::Figures => "Figures",
        Feature::Todo => "To do",
        Feature::Calculator => "Calculator",
        Feature::Pricing => "Prices",
        Feature::Team => "People",
        Feature::Quotes => "What people say",
        Feature::Questions => "Questions",
        Feature::Newsletter => "Newsletter",
        Feature::Contact => "Contact",
        Feature::DarkSwitch => "Theme",
    }
}

fn slug(text: &str) -> String {
    let slug: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let parts: Vec<_> = slug.split('-').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "section".to_owned() } else { parts.join("-") }
}
