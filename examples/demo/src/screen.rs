//! What the audience sees: colours and lines that grow in place in a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};

/// Where a line's text begins, behind its label.
const INDENT: usize = 9;
const WIDTH: usize = 78;

/// Standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: bool,
    colours: bool,
    /// Characters of the line that is not ended yet.
    column: usize,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Ink {
    Bold = 1,
    Good = 32,
    Bad = 31,
    Wire = 33,
    Who = 36,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { terminal, colours, column: 0 }
    }

    /// A text in a colour, where there are colours.
    pub(crate) fn ink(&self, ink: Ink, text: &str) -> String {
        match self.colours {
            true => format!("\x1b[{}m{text}\x1b[0m", ink as u8),
            false => text.to_owned(),
        }
    }

    /// A line under a label.
    pub(crate) fn line(&mut self, label: &str, text: &str) {
        self.end();
        println!("{}{text}", self.label(label));
    }

    pub(crate) fn blank(&mut self) {
        self.end();
        println!();
    }

    /// The beginning of a text that comes in pieces.
    pub(crate) fn begin(&mut self, label: &str) {
        self.end();
        print!("{}", self.label(label));
        self.column = INDENT;
        self.flush();
    }

    /// A piece of it, in a new line where it doesn't fit.
    pub(crate) fn piece(&mut self, text: &str) {
        let length = text.chars().count();
        let text = if self.column == 0 || self.column + length > WIDTH {
            self.end();
            print!("{:INDENT$}", "");
            self.column = INDENT;
            text.trim_start()
        } else {
            text
        };
        print!("{text}");
        self.column += text.chars().count();
        self.flush();
    }

    /// A line that changes in place; elsewhere than in a terminal those that matter are printed.
    pub(crate) fn progress(&mut self, label: &str, text: &str, matters: bool) {
        if self.terminal {
            let fits: String = text.chars().take(WIDTH - INDENT).collect();
            print!("\r\x1b[2K{}{fits}", self.label(label));
            self.column = INDENT;
            self.flush();
        } else if matters {
            self.line(label, text);
        }
    }

    /// What the wire does. What comes after `so_far` is told by [`Screen::wire_is_back`].
    pub(crate) fn wire_is_cut(&mut self, so_far: &str) {
        self.end();
        let scissors = self.ink(Ink::Wire, "✂");
        print!("   {scissors}     the connection is killed {so_far} … ");
        self.flush();
    }

    pub(crate) fn wire_is_back(&mut self, ms: u128) {
        println!("{}", self.ink(Ink::Good, &format!("back after {ms} ms")));
    }

    /// Ends a line that is not ended yet.
    pub(crate) fn end(&mut self) {
        if self.column > 0 {
            println!();
            self.column = 0;
        }
    }

    fn label(&self, label: &str) -> String {
        self.ink(Ink::Who, &format!("{label:<INDENT$}"))
    }

    fn flush(&self) {
        // Nobody is left to tell.
        let _ = std::io::stdout().flush();
    }
}
