//! The structure: semantic HTML in which every text is escaped.

use super::brief::{Brief, shorten};
use super::plan::{Body, Card, Plan, Section};

/// Longest piece of the prompt that the page repeats, in characters.
const MAX_QUOTED_CHARS: usize = 240;

/// Text as HTML, in content and in quoted attributes alike.
pub(in super::super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Controls have no business on a page, and NUL breaks parsers.
            char if char.is_control() && char != '\n' => safe.push(' '),
            char => safe.push(char),
        }
    }
    safe
}

/// The inside of the page's `body`.
pub(super) fn write(brief: &Brief, plan: &Plan) -> String {
    let title = escape(&brief.title);
    let mut html = String::new();
    let mut line = |text: String| {
        html.push_str(&text);
        html.push('\n');
    };
    line("<a class=\"skip\" href=\"#main\">Skip to content</a>".into());
    line(format!("<header class=\"top\">\n<a class=\"brand\" href=\"#main\">{title}</a>"));
    line("<nav aria-label=\"Sections\">\n<ul>".into());
    for section in &plan.sections {
        let Section { id, heading, .. } = section;
        line(format!("<li><a href=\"#{id}\">{}</a></li>", escape(heading)));
    }
    line("</ul>\n</nav>".into());
    if plan.dark_switch {
        line(
            "<button type=\"button\" class=\"quiet\" data-theme-switch aria-pressed=\"false\">Dark \
             mode</button>"
                .into(),
        );
    }
    line("</header>".into());
    line("<main id=\"main\">".into());
    let first = plan.sections.first().map_or("main", |section| section.id.as_str());
    line(format!(
        "<section class=\"hero\">\n<h1>{title}</h1>\n<p class=\"lead\">{}</p>\n\
         <a class=\"button\" href=\"#{first}\">{}</a>\n</section>",
        escape(&plan.lead),
        escape(&plan.action)
    ));
    for section in &plan.sections {
        let Section { id, heading, body } = section;
        line(format!(
            "<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">{}</h2>\n{}\n</section>",
            escape(heading),
            inside(id, body)
        ));
    }
    line("</main>".into());
    line(format!(
        "<footer>\n<p>{title}</p>\n<p class=\"muted\">Made from: <q>{}</q></p>\n</footer>",
        escape(&shorten(&brief.prompt, MAX_QUOTED_CHARS))
    ));
    html
}

fn inside(id: &str, body: &Body) -> String {
    match body {
        Body::Text(paragraphs) => {
            lines(paragraphs.iter().map(|text| format!("<p>{}</p>", escape(text))))
        }
        Body::Products(cards) => products(cards),
        Body::Posts(cards) => posts(id, cards),
        Body::Gallery(cards) => gallery(cards),
        Body::Cards(cards) => {
            let cards = cards.iter().map(|card| {
                let Card { title, text, tag } = escaped(card);
                format!(
                    "<article class=\"card\">\n<p class=\"tag\">{tag}</p>\n<h3>{title}</h3>\n<p>{text}</p>\n</article>"
                )
            });
            format!("<div class=\"grid\">\n{}\n</div>", lines(cards))
        }
        Body::Rows(rows) => {
            let rows = rows.iter().map(|(what, value)| {
                format!(
                    "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
                    escape(what),
                    escape(value)
                )
            });
            format!("<table>\n<tbody>\n{}\n</tbody>\n</table>", lines(rows))
        }
        Body::Figures(figures) => chart(figures),
        Body::Quotes(quotes) => {
            let quotes = quotes.iter().map(|(text, who)| {
                format!(
                    "<figure class=\"card\">\n<blockquote><p>{}</p></blockquote>\n<figcaption \
                     class=\"muted\">{}</figcaption>\n</figure>",
                    escape(text),
                    escape(who)
                )
            });
            format!("<div class=\"grid\">\n{}\n</div>", lines(quotes))
        }
        Body::Questions(questions) => lines(questions.iter().map(|(question, answer)| {
            format!(
                "<details>\n<summary>{}</summary>\n<p>{}</p>\n</details>",
                escape(question),
                escape(answer)
            )
        })),
        Body::Todo(items) => todo(id, items),
        Body::Calculator => calculator(id),
        Body::Newsletter => format!(
            "<div class=\"form\" data-form>\n{}\n<button type=\"button\" data-send>Subscribe</button>\n\
             <p role=\"status\" data-status></p>\n</div>",
            field(id, "email", "E-mail", "email", "")
        ),
        Body::Contact => format!(
            "<div class=\"form\" data-form>\n{}\n{}\n<label for=\"{id}-message\">Message</label>\n\
             <textarea id=\"{id}-message\" name=\"message\" rows=\"5\" required data-min=\"10\"></textarea>\n\
             <button type=\"button\" data-send>Send</button>\n<p role=\"status\" data-status></p>\n</div>",
            field(id, "name", "Name", "text", " autocomplete=\"name\""),
            field(id, "email", "E-mail", "email", " autocomplete=\"email\"")
        ),
    }
}

// No `form` elements: the frame that a preview is shown in doesn't let forms be sent.
fn field(id: &str, name: &str, label: &str, kind: &str, more: &str) -> String {
    format!(
        "<label for=\"{id}-{name}\">{label}</label>\n\
         <input id=\"{id}-{name}\" name=\"{name}\" type=\"{kind}\" required{more}>"
    )
}

fn products(cards: &[Card]) -> String {
    let items = cards.iter().enumerate().map(|(at, card)| {
        let Card { title, text, tag: cents } = escaped(card);
        let price = card.tag.parse::<u64>().unwrap_or(0);
        format!(
            "<article class=\"card\">\n{}\n<h3>{title}</h3>\n<p>{text}</p>\n<p><strong>{}.{:02}</strong></p>\n\
             <button type=\"button\" data-add=\"{title}\" data-cents=\"{cents}\">Add to cart</button>\n</article>",
            picture(at),
            price / 100,
            price % 100
        )
    });
    format!(
        "<div class=\"grid\">\n{}\n</div>\n<div class=\"card\" aria-live=\"polite\" data-cart>\n\
         <h3>Your cart</h3>\n<ul data-lines></ul>\n<p>Total: <strong data-total>0.00</strong></p>\n</div>",
        lines(items)
    )
}

fn posts(id: &str, cards: &[Card]) -> String {
    let items = cards.iter().map(|card| {
        let Card { title, text, tag } = escaped(card);
        format!(
            "<article class=\"card\" data-post>\n<p class=\"tag\">{tag}</p>\n<h3>{title}</h3>\n<p>{text}</p>\n</article>"
        )
    });
    format!(
        "<label for=\"{id}-search\">Search</label>\n<input id=\"{id}-search\" type=\"search\" data-search>\n\
         <p role=\"status\" data-found></p>\n{}",
        lines(items)
    )
}

fn gallery(cards: &[Card]) -> String {
    let mut categories: Vec<&str> = Vec::new();
    for card in cards {
        if !categories.contains(&card.tag.as_str()) {
            categories.push(&card.tag);
        }
    }
    let buttons = categories.iter().map(|name| {
        let name = escape(name);
        format!(
            "<button type=\"button\" class=\"quiet\" data-filter=\"{name}\" aria-pressed=\"false\">{name}</button>"
        )
    });
    let items = cards.iter().enumerate().map(|(at, card)| {
        let Card { title, text, tag } = escaped(card);
        format!(
            "<figure class=\"card\" data-category=\"{tag}\">\n{}\n<figcaption><strong>{title}</strong><br>{text}</figcaption>\n</figure>",
            picture(at)
        )
    });
    format!(
        "<div class=\"filters\" role=\"group\" aria-label=\"Filter\">\n\
         <button type=\"button\" class=\"quiet\" data-filter=\"\" aria-pressed=\"true\">All</button>\n{}\n</div>\n\
         <div class=\"grid\" data-gallery>\n{}\n</div>",
        lines(buttons),
        lines(items)
    )
}

/// A picture that needs no file: a few shapes in the page's own colours.
fn picture(at: usize) -> String {
    let (x, y) = (20 + at * 37 % 160, 20 + at * 53 % 70);
    let radius = 18 + at * 11 % 30;
    format!(
        "<svg viewBox=\"0 0 200 110\" role=\"presentation\" focusable=\"false\">\
         <rect width=\"200\" height=\"110\" class=\"p1\"/>\
         <circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" class=\"p2\"/>\
         <path d=\"M0 110 L{} {} L200 110 Z\" class=\"p3\"/></svg>",
        40 + at * 29 % 120,
        45 + at * 17 % 40
    )
}

fn chart(figures: &[(String, u32)]) -> String {
    let most = figures.iter().map(|(_, value)| *value).max().unwrap_or(1).max(1);
    let bars = figures.iter().enumerate().map(|(at, (label, value))| {
        let height = value * 100 / most;
        format!(
            "<rect x=\"{}\" y=\"{}\" width=\"20\" height=\"{height}\" class=\"p2\"><title>{}: {value}</title></rect>",
            at * 26 + 4,
            110 - height,
            escape(label)
        )
    });
    let rows = figures.iter().map(|(label, value)| {
        format!("<tr><th scope=\"row\">{}</th><td data-value>{value}</td></tr>", escape(label))
    });
    format!(
        "<div data-figures>\n<div class=\"grid\">\n<p class=\"card\">Sum<br><strong data-sum>–</strong></p>\n\
         <p class=\"card\">Average<br><strong data-average>–</strong></p>\n\
         <p class=\"card\">Highest<br><strong data-highest>–</strong></p>\n</div>\n\
         <svg viewBox=\"0 0 {} 112\" role=\"img\" aria-label=\"The figures as bars\">{}</svg>\n\
         <table>\n<tbody>\n{}\n</tbody>\n</table>\n</div>",
        figures.len() * 26 + 4,
        bars.collect::<String>(),
        lines(rows)
    )
}

fn todo(id: &str, items: &[String]) -> String {
    let items = items.iter().map(|item| {
        format!("<li><label><input type=\"checkbox\"> <span>{}</span></label></li>", escape(item))
    });
    format!(
        "<div data-todo>\n<label for=\"{id}-new\">What is to be done?</label>\n<div class=\"row\">\n\
         <input id=\"{id}-new\" type=\"text\" maxlength=\"200\">\n<button type=\"button\" data-new>Add</button>\n</div>\n\
         <ul class=\"plain\">\n{}\n</ul>\n<p role=\"status\" data-left></p>\n</div>",
        lines(items)
    )
}

fn calculator(id: &str) -> String {
    const KEYS: [&str; 20] = [
        "C", "(", ")", "÷", "7", "8", "9", "×", "4", "5", "6", "−", "1", "2", "3", "+", "0", ".",
        "⌫", "=",
    ];
    let keys = KEYS.iter().map(|key| {
        format!("<button type=\"button\" class=\"quiet\" data-key=\"{key}\">{key}</button>")
    });
    format!(
        "<div class=\"calculator card\" data-calculator>\n\
         <output id=\"{id}-out\" aria-live=\"polite\">0</output>\n<div class=\"keys\">\n{}\n</div>\n</div>",
        lines(keys)
    )
}

fn escaped(card: &Card) -> Card {
    Card { title: escape(&card.title), text: escape(&card.text), tag: escape(&card.tag) }
}

fn lines(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join("\n")
}
