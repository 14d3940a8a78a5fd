//! The style: one sheet for light and dark, from phones to wide screens. Nothing of the prompt's
//! words is in it, only its colour.

use super::brief::{Brief, Site};
use super::palette::Palette;

pub(super) fn write(brief: &Brief) -> String {
    let (light, dark) = (Palette::light(brief.hue), Palette::dark(brief.hue));
    let (face, radius) = match brief.site {
        Site::Blog | Site::Restaurant => ("Georgia, 'Times New Roman', serif", "2px"),
        Site::Dashboard => ("ui-monospace, Menlo, Consolas, monospace", "4px"),
        _ => ("system-ui, -apple-system, 'Segoe UI', sans-serif", "12px"),
    };
    let dark = variables(&dark);
    format!(
        ":root {{ color-scheme: light dark; {}--radius: {radius}; }}\n\
         @media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {dark}}} }}\n\
         :root[data-theme=dark] {{ {dark}}}\n\
         body {{ margin: 0; font: 17px/1.6 {face}; background: var(--background); color: var(--text); }}\n{REST}",
        variables(&light)
    )
}

fn variables(palette: &Palette) -> String {
    let Palette { background, surface, border, text, muted, accent, on_accent } = palette;
    format!(
        "--background: {background}; --surface: {surface}; --border: {border}; --text: {text}; \
         --muted: {muted}; --accent: {accent}; --on-accent: {on_accent}; "
    )
}

const REST: &str = "\
*, *::before, *::after { box-sizing: border-box; }
body { --side: calc(max(0px, (100vw - 72rem) / 2) + 5vw); }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: 1rem; }
.top { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; padding: 1rem var(--side); border-bottom: 1px solid var(--border); }
.brand { font-weight: 700; color: var(--text); text-decoration: none; margin-right: auto; overflow-wrap: anywhere; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; list-style: none; margin: 0; padding: 0; }
a { color: var(--accent); }
nav a { text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
main > section { padding: 2.25rem var(--side); }
main > .hero { padding-top: 5rem; padding-bottom: 4rem; margin-bottom: 1.5rem; background: linear-gradient(var(--surface), var(--background)); }
h1 { font-size: clamp(2.2rem, 7vw, 4.5rem); line-height: 1.1; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.6rem; margin: 0 0 1rem; }
h3 { margin: 0.5rem 0; overflow-wrap: anywhere; }
.lead { font-size: 1.25rem; max-width: 42rem; }
.muted, .tag { color: var(--muted); }
.tag { font-size: 0.85rem; margin: 0; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); margin: 1rem 0; }
.card { background: var(--surface); border: 1px solid var(--border); border-radius: var(--radius); padding: 1rem; margin: 0; }
article.card { display: flex; flex-direction: column; align-items: flex-start; }
article.card > button { margin-top: auto; }
article.card > p { margin: 0 0 0.75rem; }
article.card > .tag { margin: 0; }
section > .card { margin: 1rem 0; }
svg { display: block; width: 100%; height: auto; border-radius: var(--radius); }
.p1 { fill: var(--border); }
.p2 { fill: var(--accent); }
.p3 { fill: var(--muted); }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; padding: 0.5rem 0; border-bottom: 1px solid var(--border); font-weight: 400; }
td { text-align: right; }
.form { display: grid; gap: 0.5rem; max-width: 32rem; }
.row, .filters { display: flex; flex-wrap: wrap; gap: 0.5rem; }
input, textarea { font: inherit; color: inherit; background: var(--background); border: 1px solid var(--muted); border-radius: var(--radius); padding: 0.5rem 0.75rem; min-width: 0; }
.row input { flex: 1; }
[aria-invalid=true] { outline: 2px solid currentcolor; outline-offset: 2px; }
button, .button { font: inherit; cursor: pointer; border: 1px solid var(--accent); border-radius: var(--radius); padding: 0.5rem 1rem; background: var(--accent); color: var(--on-accent); text-decoration: none; display: inline-block; }
.quiet { background: var(--surface); color: var(--text); border-color: var(--border); }
.quiet[aria-pressed=true] { background: var(--accent); color: var(--on-accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.plain { list-style: none; padding: 0; }
.plain li { padding: 0.35rem 0; overflow-wrap: anywhere; }
details { border-bottom: 1px solid var(--border); padding: 0.75rem 0; max-width: 42rem; }
summary { cursor: pointer; font-weight: 600; }
.done { text-decoration: line-through; color: var(--muted); }
.calculator { max-width: 20rem; }
.calculator output { display: block; font-size: 1.8rem; text-align: right; overflow-x: auto; min-height: 3rem; }
.keys { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0.5rem; }
footer { margin-top: 2rem; padding: 1rem var(--side); border-top: 1px solid var(--border); overflow-wrap: anywhere; }
[hidden] { display: none !important; }
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
@media (max-width: 40rem) { main > .hero { padding-top: 2.5rem; padding-bottom: 2rem; } }
";
