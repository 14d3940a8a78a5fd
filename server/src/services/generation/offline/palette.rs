//! Colours that can be read: each text colour is moved until its contrast suffices.

/// The contrast that WCAG 2 asks for normal text at level AA.
pub(super) const CONTRAST: f64 = 4.5;

/// The colours of one theme.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Palette {
    pub(super) background: Colour,
    pub(super) surface: Colour,
    pub(super) border: Colour,
    pub(super) text: Colour,
    pub(super) muted: Colour,
    pub(super) accent: Colour,
    /// Text on the accent.
    pub(super) on_accent: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(u8, u8, u8);

impl Palette {
    pub(super) fn light(hue: u16) -> Self {
        Self::around(hue, (98.0, 94.0, 84.0), (14.0, 42.0, 45.0), -1.0)
    }

    pub(super) fn dark(hue: u16) -> Self {
        Self::around(hue, (9.0, 14.0, 26.0), (93.0, 64.0, 62.0), 1.0)
    }

    /// `towards` is where text goes for more contrast: darker or lighter.
    fn around(
        hue: u16,
        (background, surface, border): (f64, f64, f64),
        (text, muted, accent): (f64, f64, f64),
        towards: f64,
    ) -> Self {
        let background = Colour::of(hue, 30.0, background);
        let surface = Colour::of(hue, 28.0, surface);
        let readable = |saturation, lightness| {
            Colour::readable(hue, saturation, lightness, towards, &[background, surface])
        };
        let accent = readable(70.0, accent);
        // Where the theme's text is dark, the accent is dark too, and what stands on it is light.
        let on_accent = Colour::readable(
            hue,
            40.0,
            if towards < 0.0 { 97.0 } else { 10.0 },
            -towards,
            &[accent],
        );
        Self {
            background,
            surface,
            border: Colour::of(hue, 25.0, border),
            text: readable(20.0, text),
            muted: readable(14.0, muted),
            accent,
            on_accent,
        }
    }

    /// Pairs of a text's colour and what it stands on.
    pub(super) fn pairs(&self) -> [(Colour, Colour); 7] {
        [
            (self.text, self.background),
            (self.text, self.surface),
            (self.muted, self.background),
            (self.muted, self.surface),
            (self.accent, self.background),
            (self.accent, self.surface),
            (self.on_accent, self.accent),
        ]
    }
}

impl Colour {
    /// From degrees and percents.
    fn of(hue: u16, saturation: f64, lightness: f64) -> Self {
        let (s, l) = (saturation / 100.0, lightness / 100.0);
        let amplitude = s * l.min(1.0 - l);
        let channel = |n: f64| {
            let k = (n + f64::from(hue) / 30.0) % 12.0;
            let value = l - amplitude * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
            (value * 255.0).round() as u8
        };
        Self(channel(0.0), channel(8.0), channel(4.0))
    }

    /// The first lightness from here on that can be read on all of these.
    fn readable(hue: u16, saturation: f64, lightness: f64, towards: f64, on: &[Self]) -> Self {
        let mut lightness = lightness;
        loop {
            let colour = Self::of(hue, saturation, lightness);
            let suffices = on.iter().all(|under| colour.contrast(*under) >= CONTRAST);
            if suffices || !(1.0..=99.0).contains(&lightness) {
                return colour;
            }
            lightness += towards;
        }
    }

    /// By WCAG 2: from 1 to 21.
    pub(super) fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_what_browsers_make_of_them() {
        assert_eq!(Colour::of(0, 100.0, 50.0).to_string(), "#ff0000");
        assert_eq!(Colour::of(210, 50.0, 40.0).to_string(), "#336699");
        assert!((Colour(0, 0, 0).contrast(Colour(255, 255, 255)) - 21.0).abs() < 0.01);
    }

    #[test]
    fn every_hue_can_be_read_in_the_light_and_in_the_dark() {
        for hue in 0..360 {
            for palette in [Palette::light(hue), Palette::dark(hue)] {
                for (text, under) in palette.pairs() {
                    assert!(text.contrast(under) >= CONTRAST, "{hue}: {text} on {under}");
                }
            }
        }
    }
}
