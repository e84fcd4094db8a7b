//! What Typst sees: the template, the page, and the embedded fonts. Everything else is not found.

use std::sync::LazyLock;

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt as _};

/// How a page is laid out.
const TEMPLATE: &str = include_str!("report.typ");

/// Families of the embedded fonts that are used, as the template names them.
pub(crate) const TEXT: &str = "Libertinus Serif";

/// The family of code.
pub(crate) const CODE: &str = "DejaVu Sans Mono";

/// The fonts of both families that a page is set in: upright, regular and bold. `fonts/README.md` says whose they are.
static FILES: [&[u8]; 4] = [
    include_bytes!("../fonts/LibertinusSerif-Regular.otf"),
    include_bytes!("../fonts/LibertinusSerif-Bold.otf"),
    include_bytes!("../fonts/DejaVuSansMono.ttf"),
    include_bytes!("../fonts/DejaVuSansMono-Bold.ttf"),
];

/// The same, read.
pub(crate) static FONTS: LazyLock<Vec<Font>> = LazyLock::new(|| {
    let read = |file: &&'static [u8]| Font::iter(Bytes::new(*file));
    FILES.iter().flat_map(read).collect()
});

/// The world of one page.
pub(crate) struct World {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    template: Source,
    page: (FileId, Bytes),
}

impl World {
    /// The world that holds this page, as JSON.
    pub(crate) fn of(page: Vec<u8>) -> Self {
        Self {
            library: LazyHash::new(Library::default()),
            book: LazyHash::new(FontBook::from_fonts(FONTS.iter())),
            template: Source::new(id("report.typ"), TEMPLATE.to_owned()),
            page: (id("page.json"), Bytes::new(page)),
        }
    }
}

fn id(name: &str) -> FileId {
    let path = VirtualPath::new(name).expect("a plain file name is a path");
    RootedPath::new(VirtualRoot::Project, path).intern()
}

/// That nothing else is there.
fn absent(id: FileId) -> FileError {
    FileError::NotFound(id.get().vpath().get_without_slash().into())
}

impl typst::World for World {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    fn main(&self) -> FileId {
        self.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.template.id() {
            return Ok(self.template.clone());
        }
        Err(absent(id))
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let (page, bytes) = &self.page;
        if id == *page {
            return Ok(bytes.clone());
        }
        Err(absent(id))
    }

    fn font(&self, index: usize) -> Option<Font> {
        FONTS.get(index).cloned()
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}
