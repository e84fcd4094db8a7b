//! The page as data: the elements of the report's HTML, in the few forms that the template sets.
//!
//! What is read is what `exhibit-verify` writes: well-formed, with `<br>` as the only element that is not closed. An element or an
//! attribute that is not known here is an error, because leaving it out would print less than the page says.

use std::collections::BTreeSet;

use exhibit_verify::report::paper::Paper;
use roxmltree::{Document, Node as Read, ParsingOptions};
use serde::Serialize;

use crate::columns;
use crate::shown::shown;

/// Elements and texts of a page; one of the printed size has a tenth of them.
const NODES_MAX: u32 = 1 << 20;

/// Attributes that are known; those of a picture are its own.
const ATTRIBUTES: [&str; 8] = ["id", "class", "href", "scope", "lang", "aria-label", "role", "tabindex"];

/// Styles of pictures, as those of the page are in light.
const PICTURE_STYLE: &str = "<style>svg { fill: #000; } text { fill: #000; font-family: 'Libertinus Serif'; font-size: 13px; } \
    .axis { stroke: #000; } .allowed { fill: #3b6ea5; } .approved { fill: #b07a00; } .denied { fill: #b00020; } .none { fill: #777; }</style>";

/// Why a page is not one that can be set.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It has no body.
    #[error("the page has no body")]
    Body,
    /// It is not well-formed.
    #[error("the page is not well-formed: {0}")]
    Form(#[from] roxmltree::Error),
    /// It has an element that is not known, or not there.
    #[error("the page has an element that is not known here: {0}")]
    Element(String),
    /// It has an attribute that is not known.
    #[error("the page has an attribute that is not known here: {0}")]
    Attribute(String),
}

/// A page.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    title: String,
    foot: String,
    /// What links may lead to.
    ids: BTreeSet<String>,
    blocks: Vec<Block>,
}

/// What stands below each other.
#[derive(Debug, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(crate) enum Block {
    Heading {
        level: u8,
        id: Option<String>,
        text: Vec<Run>,
    },
    Paragraph {
        class: Option<String>,
        text: Vec<Run>,
    },
    List {
        numbered: bool,
        items: Vec<Vec<Run>>,
    },
    /// Where the parts are.
    Contents {
        items: Vec<Vec<Run>>,
    },
    Table(Table),
    Figure {
        picture: String,
        label: String,
        caption: Vec<Run>,
    },
}

/// A table.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) head: Vec<Cell>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Tenths of a point of the text's size.
    pub(crate) size: u32,
    /// Tenths of a point of each column.
    pub(crate) columns: Vec<u32>,
}

/// A cell.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Cell {
    pub(crate) head: bool,
    pub(crate) class: Option<String>,
    pub(crate) text: Vec<Run>,
}

/// What stands in a line.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Run {
    Text(String),
    Marked(Marked),
}

/// Text that is marked.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Marked {
    /// `br`, `code`, `strong`, `span` or `a`; `bar` for a bar beside its number, whose class is its part of the longest, in hundredths.
    pub(crate) mark: String,
    pub(crate) class: Option<String>,
    /// The id that it leads to.
    pub(crate) to: Option<String>,
    pub(crate) text: Vec<Run>,
}

impl Page {
    /// The page of a paper.
    pub(crate) fn of(paper: &Paper) -> Result<Self, PageError> {
        let start = paper.page.find("<body>").ok_or(PageError::Body)?;
        let end = paper.page.rfind("</body>").ok_or(PageError::Body)? + "</body>".len();
        let body = paper.page.get(start..end).ok_or(PageError::Body)?;
        // Text has no `<` of its own: it is `&lt;` there.
        let body = shown(body).replace("<br>", "<br/>");
        let options = ParsingOptions {
            nodes_limit: NODES_MAX,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(&body, options)?;
        let mut blocks = Vec::new();
        all_blocks(document.root_element(), &mut blocks)?;
        let heading = |block: &Block| match block {
            Block::Heading { id, .. } => id.clone(),
            _ => None,
        };
        Ok(Self {
            title: shown(&paper.title).into_owned(),
            foot: shown(&paper.foot).into_owned(),
            ids: blocks.iter().filter_map(heading).collect(),
            blocks,
        })
    }
}

/// What is below an element, block by block.
fn all_blocks(parent: Read<'_, '_>, blocks: &mut Vec<Block>) -> Result<(), PageError> {
    for node in parent.children() {
        known_attributes(node)?;
        match name(node) {
            "main" | "div" => all_blocks(node, blocks)?,
            "figure" => figure(node, blocks)?,
            "table" => blocks.extend(tables(node)?.into_iter().map(Block::Table)),
            _ => blocks.push(block(node)?),
        }
    }
    Ok(())
}

fn block(node: Read<'_, '_>) -> Result<Block, PageError> {
    let heading = |level| {
        Ok(Block::Heading {
            level,
            id: node.attribute("id").map(str::to_owned),
            text: runs(node)?,
        })
    };
    match name(node) {
        "h1" => heading(1),
        "h2" => heading(2),
        "h3" => heading(3),
        "p" => Ok(Block::Paragraph {
            class: class(node),
            text: columns::in_a_line(runs(node)?),
        }),
        "ul" => Ok(Block::List {
            numbered: false,
            items: items(node)?,
        }),
        "ol" => Ok(Block::List {
            numbered: true,
            items: items(node)?,
        }),
        "nav" => match node.first_element_child() {
            Some(list) => Ok(Block::Contents { items: items(list)? }),
            None => Err(PageError::Element("nav without a list".to_owned())),
        },
        other => Err(PageError::Element(other.to_owned())),
    }
}

fn items(list: Read<'_, '_>) -> Result<Vec<Vec<Run>>, PageError> {
    known_attributes(list)?;
    let item = |node: Read<'_, '_>| match name(node) {
        "li" => Ok(columns::in_a_line(runs(node)?)),
        other => Err(PageError::Element(other.to_owned())),
    };
    list.children().map(item).collect()
}

fn tables(node: Read<'_, '_>) -> Result<Vec<Table>, PageError> {
    let mut head = Vec::new();
    let mut rows = Vec::new();
    for part in node.children() {
        known_attributes(part)?;
        match name(part) {
            "thead" => {
                for line in part.children() {
                    head.extend(row(line)?);
                }
            }
            "tbody" => {
                for line in part.children() {
                    rows.push(row(line)?);
                }
            }
            "tr" => rows.push(row(part)?),
            other => return Err(PageError::Element(other.to_owned())),
        }
    }
    Ok(columns::tables(head, rows))
}

fn row(line: Read<'_, '_>) -> Result<Vec<Cell>, PageError> {
    known_attributes(line)?;
    let cell = |node: Read<'_, '_>| {
        known_attributes(node)?;
        match name(node) {
            "th" | "td" => Ok(Cell {
                head: name(node) == "th",
                class: class(node),
                text: runs(node)?,
            }),
            other => Err(PageError::Element(other.to_owned())),
        }
    };
    if name(line) != "tr" {
        return Err(PageError::Element(name(line).to_owned()));
    }
    line.children().map(cell).collect()
}

/// A picture with what stands below it: the ends of its axis and its caption, and then its numbers as a table. Its text is as long as it is
/// there: it cannot be broken.
fn figure(node: Read<'_, '_>, blocks: &mut Vec<Block>) -> Result<(), PageError> {
    let mut picture = None;
    let (mut ends, mut caption) = (Vec::new(), Vec::new());
    let mut numbers = Vec::new();
    for part in node.children() {
        known_attributes(part).or_else(|error| if name(part) == "svg" { Ok(()) } else { Err(error) })?;
        match name(part) {
            "svg" => picture = Some(part),
            "div" if part.attribute("class") == Some("ends") => {
                for end in part.children() {
                    ends.extend(runs(end)?);
                    ends.push(Run::Text(" ".to_owned()));
                }
            }
            "figcaption" => caption = columns::in_a_line(runs(part)?),
            "div" => all_blocks(part, &mut numbers)?,
            "table" => numbers.extend(tables(part)?.into_iter().map(Block::Table)),
            _ => numbers.push(block(part)?),
        }
    }
    ends.append(&mut caption);
    let picture = picture.ok_or_else(|| PageError::Element("figure without a picture".to_owned()))?;
    let source = picture.document().input_text().get(picture.range()).unwrap_or_default();
    let source = source.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
    blocks.push(Block::Figure {
        picture: source.replacen('>', &format!(">{PICTURE_STYLE}"), 1),
        label: picture.attribute("aria-label").unwrap_or_default().to_owned(),
        caption: ends,
    });
    blocks.append(&mut numbers);
    Ok(())
}

/// A bar beside its number: how much of the drawing's width its rectangle takes, in hundredths. It says nothing of its own.
fn bar(node: Read<'_, '_>) -> Result<Run, PageError> {
    let unknown = || PageError::Element("a drawing in a line that is no bar".to_owned());
    let whole = node.attribute("viewBox").and_then(|view| view.split(' ').nth(2));
    let rectangle = node.first_element_child().filter(|one| name(*one) == "rect");
    let wide = rectangle.and_then(|one| one.attribute("width"));
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
    let (Some("true"), Some(wide), Some(whole)) = (node.attribute("aria-hidden"), number(wide), number(whole)) else {
        return Err(unknown());
    };
    let hundredths = wide.saturating_mul(100).checked_div(whole).ok_or_else(unknown)?;
    Ok(Run::Marked(Marked {
        mark: "bar".to_owned(),
        class: Some(hundredths.to_string()),
        to: None,
        text: Vec::new(),
    }))
}

fn runs(parent: Read<'_, '_>) -> Result<Vec<Run>, PageError> {
    let run = |node: Read<'_, '_>| {
        if name(node) == "svg" {
            return bar(node);
        }
        known_attributes(node)?;
        if let Some(text) = node.text().filter(|_| node.is_text()) {
            return Ok(Run::Text(collapsed(text)));
        }
        match name(node) {
            mark @ ("br" | "code" | "strong" | "span" | "a") => Ok(Run::Marked(Marked {
                mark: mark.to_owned(),
                class: class(node),
                to: node
                    .attribute("href")
                    .and_then(|to| to.strip_prefix('#'))
                    .map(str::to_owned),
                text: runs(node)?,
            })),
            other => Err(PageError::Element(other.to_owned())),
        }
    };
    parent.children().map(run).collect()
}

/// A text with one space for each run of white space, as a browser shows it.
fn collapsed(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for character in text.chars() {
        if !character.is_ascii_whitespace() {
            collapsed.push(character);
        } else if !collapsed.ends_with(' ') {
            collapsed.push(' ');
        }
    }
    collapsed
}

/// The name of an element; of what is none, what is known nowhere.
fn name<'a>(node: Read<'a, '_>) -> &'a str {
    if node.is_element() {
        node.tag_name().name()
    } else {
        "text"
    }
}

fn class(node: Read<'_, '_>) -> Option<String> {
    node.attribute("class").map(str::to_owned)
}

fn known_attributes(node: Read<'_, '_>) -> Result<(), PageError> {
    let mut attributes = node.attributes();
    match attributes.find(|attribute| !ATTRIBUTES.contains(&attribute.name())) {
        Some(attribute) => Err(PageError::Attribute(attribute.name().to_owned())),
        None => Ok(()),
    }
}
