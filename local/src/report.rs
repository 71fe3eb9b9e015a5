//! A report as one HTML file that needs no network: tables, and charts over time with the moments that matter.
//!
//! uPlot draws the charts; it stands beside this file as npm has it, with its licence, and is written into each report.

use std::path::Path;

use serde_json::{Value, json};

use crate::trouble::{Result, While};

const PAGE: &str = include_str!("report/page.html");
const PAGE_SCRIPT: &str = include_str!("report/page.js");
const PAGE_STYLE: &str = include_str!("report/page.css");
const UPLOT_SCRIPT: &str = include_str!("report/uPlot-1.6.32.iife.min.js");
const UPLOT_STYLE: &str = include_str!("report/uPlot-1.6.32.min.css");
const UPLOT_LICENSE: &str = include_str!("report/uPlot-LICENSE");

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub title: String,
    /// What the reader is to know first, a paragraph each.
    pub words: Vec<String>,
    pub parts: Vec<Part>,
}

/// A part of a report.
#[derive(Clone, Debug)]
pub enum Part {
    Table(Table),
    Chart(Chart),
}

/// A table; cells that are numbers stand at the right.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub title: String,
    pub note: String,
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// How a chart's series are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    Lines,
    /// One on the other, as shares of all.
    Shares,
}

/// A chart over time.
#[derive(Clone, Debug)]
pub struct Chart {
    pub title: String,
    pub note: String,
    pub drawn: Drawn,
    /// What the values are in: `%`, `ms`, `a second`.
    pub unit: String,
    /// Seconds since the beginning.
    pub seconds: Vec<f64>,
    pub series: Vec<Series>,
    pub marks: Vec<Mark>,
}

/// A line or area of a chart, a value for each of its seconds.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    pub values: Vec<Option<f64>>,
}

/// How a moment is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Forward,
    /// A part of the way forward.
    Step,
    Back,
    Trouble,
    /// A call that was cut off.
    Interrupted,
}

/// A moment, marked in a chart.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Seconds since the beginning.
    pub at: f64,
    pub name: String,
    pub tone: Tone,
}

impl Mark {
    /// A release gets so much of the customers: a step, or the switch.
    #[must_use]
    pub fn gets(at: f64, release: &str, percent: u32) -> Self {
        if percent < 100 {
            Self { at, name: format!("step: {release} gets {percent} %"), tone: Tone::Step }
        } else {
            Self { at, name: format!("switch: {release} gets all"), tone: Tone::Forward }
        }
    }

    /// A release gets back what a newer one had.
    #[must_use]
    pub fn gets_back(at: f64, release: &str) -> Self {
        Self { at, name: format!("rollback: {release} gets all again"), tone: Tone::Back }
    }

    /// An alarm goes off while a release comes.
    #[must_use]
    pub fn alarm(at: f64, release: &str) -> Self {
        Self { at, name: format!("alarm: goes off with {release}"), tone: Tone::Trouble }
    }
}

impl Report {
    /// Writes it.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.html()).when(path.display())
    }

    /// The whole page.
    #[must_use]
    pub fn html(&self) -> String {
        // Data in a script element ends where a tag would begin.
        let data = self.data().to_string().replace('<', "\\u003c");
        let parts = [
            ("{{title}}", escaped(&self.title)),
            ("{{uplot-license}}", escaped(UPLOT_LICENSE)),
            ("{{uplot-style}}", UPLOT_STYLE.to_owned()),
            ("{{style}}", PAGE_STYLE.to_owned()),
            ("{{data}}", data),
            ("{{uplot-script}}", UPLOT_SCRIPT.to_owned()),
            ("{{script}}", PAGE_SCRIPT.to_owned()),
        ];
        // Each place once, from the front: what is put in is not looked at again.
        let (mut html, mut rest) = (String::new(), PAGE);
        for (place, text) in parts {
            if let Some((before, after)) = rest.split_once(place) {
                html.push_str(before);
                html.push_str(&text);
                rest = after;
            }
        }
        html + rest
    }

    fn data(&self) -> Value {
        let parts: Vec<Value> = self.parts.iter().map(Part::data).collect();
        json!({"title": self.title, "words": self.words, "parts": parts})
    }
}

impl Part {
    fn data(&self) -> Value {
        match self {
            Self::Table(table) => {
                json!({"title": table.title, "note": table.note, "header": table.header, "rows": table.rows})
            }
            Self::Chart(chart) => {
                let series: Vec<Value> =
                    chart.series.iter().map(|one| json!({"name": one.name, "values": one.values})).collect();
                let marks: Vec<Value> = chart
                    .marks
                    .iter()
                    .map(|mark| {
                        let tone = format!("{:?}", mark.tone).to_lowercase();
                        json!({"at": mark.at, "name": mark.name, "tone": tone})
                    })
                    .collect();
                json!({
                    "title": chart.title, "note": chart.note, "unit": chart.unit,
                    "shares": chart.drawn == Drawn::Shares,
                    "seconds": chart.seconds, "series": series, "marks": marks,
                })
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_file_that_holds_all_and_asks_for_nothing() {
        let chart = Chart {
            title: "who answers".to_owned(),
            note: String::new(),
            drawn: Drawn::Shares,
            unit: "%".to_owned(),
            seconds: vec![0.0, 1.0],
            series: vec![Series { name: "</script><b>1".to_owned(), values: vec![Some(1.0), None] }],
            marks: vec![Mark { at: 0.5, name: "promoted".to_owned(), tone: Tone::Forward }],
        };
        let report = Report { title: "A & B".to_owned(), words: Vec::new(), parts: vec![Part::Chart(chart)] };
        let html = report.html();
        assert!(html.contains("<title>A &amp; B</title>"), "{}", &html[..300]);
        assert!(html.contains("\\u003c/script>\\u003cb>1") && !html.contains("</script><b>"));
        assert!(html.contains("\"tone\":\"forward\"") && html.contains("uPlot"));
        for outside in ["src=\"http", "href=\"http", "@import", "fetch(", "{{"] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(html.ends_with("</html>\n"));
    }
}
