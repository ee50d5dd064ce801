//! The short way: the markup that most elements have, cut in one pass.
//!
//! Promises: what is read here is read as quick-xml's events would have it. All else (what is refused too) is left to
//! them, so that there is one place that says what is wrong. Not promised: to read all that is right.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memchr3, memmem};

use super::tree::{Hold, Tree, is_blank, referenced};

/// Reads the one element in this text into the tree; `None` where it is not plain, and the tree is to be forgotten.
pub(super) fn plain<'a, 'v>(text: &'a str, tree: &mut Tree<'a, 'v, '_, impl Hold<'a, 'v>>) -> Option<()> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(length) = memchr2(b'<', b'&', &bytes[at..]) {
        let mark = at + length;
        if length > 0 {
            let piece = &text[at..mark];
            let is_forgotten = match &bytes[mark..] {
                [b'&', ..] | [_, b'!' | b'?', ..] => false,
                behind => is_blank(piece) && tree.forgets_layout(behind.get(1) != Some(&b'/')),
            };
            if !is_forgotten {
                tree.text(Cow::Borrowed(piece)).ok()?;
            }
        }
        at = match &bytes[mark..] {
            [b'&', ..] => reference(text, mark, tree)?,
            [_, b'/', ..] => end(text, mark, tree)?,
            [_, b'!', ..] => aside(text, mark, tree)?,
            [_, b'?', ..] => return None,
            _ => start(text, mark, tree)?,
        };
    }
    if at < text.len() {
        tree.text(Cow::Borrowed(&text[at..])).ok()?;
    }
    Some(())
}

/// Takes the start tag at this place, and all of an element that has only text; what follows is behind it.
fn start<'a, 'v>(
    text: &'a str,
    mark: usize,
    tree: &mut Tree<'a, 'v, '_, impl Hold<'a, 'v>>,
) -> Option<usize> {
    let bytes = text.as_bytes();
    let from = mark + 1;
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'/' | b'>');
    let to = from + bytes[from..].iter().position(is_end)?;
    if bytes[to] != b'>' {
        let close = tag_end(bytes, to)?;
        let is_empty = bytes[close - 1] == b'/';
        let tag = &text[from..close - usize::from(is_empty)];
        tree.start(tag, is_empty).ok()?;
        return Some(close + 1);
    }
    let name = &text[from..to];
    let inner = to + 1;
    let behind = inner + memchr2(b'<', b'&', &bytes[inner..])?;
    let content = &text[inner..behind];
    let is_whole = bytes[behind..]
        .strip_prefix(b"</")
        .and_then(|rest| rest.strip_prefix(name.as_bytes()))
        .is_some_and(|rest| rest.first() == Some(&b'>'));
    if is_whole {
        tree.leaf(name, content).ok()?;
        return Some(behind + "</>".len() + name.len());
    }
    tree.start(name, false).ok()?;
    // Its text is looked at twice: mostly it is only the end of a line.
    Some(inner)
}

/// The place of the `>` that ends a tag: none within quotes does.
fn tag_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr3(b'>', b'"', b'\'', &bytes[at..])?;
        match bytes[at] {
            b'>' => return Some(at),
            quote => at += memchr(quote, &bytes[at + 1..])? + 2,
        }
    }
}

fn end<'a, 'v>(text: &str, mark: usize, tree: &mut Tree<'a, 'v, '_, impl Hold<'a, 'v>>) -> Option<usize> {
    let name = tree.innermost()?;
    let rest = text[mark + 2..].strip_prefix(name)?;
    rest.starts_with('>').then_some(())?;
    let behind = mark + "</>".len() + name.len();
    tree.end();
    Some(behind)
}

/// Takes a piece of CDATA, or a comment.
fn aside<'a, 'v>(
    text: &'a str,
    mark: usize,
    tree: &mut Tree<'a, 'v, '_, impl Hold<'a, 'v>>,
) -> Option<usize> {
    let rest = &text[mark..];
    if let Some(inner) = rest.strip_prefix("<![CDATA[") {
        let length = memmem::find(inner.as_bytes(), b"]]>")?;
        tree.cdata(Cow::Borrowed(&inner[..length])).ok()?;
        return Some(mark + "<![CDATA[]]>".len() + length);
    }
    let inner = rest.strip_prefix("<!--")?;
    let length = memmem::find(inner.as_bytes(), b"--")?;
    inner[length..].starts_with("-->").then_some(())?;
    Some(mark + "<!---->".len() + length)
}

fn reference<'a, 'v>(
    text: &str,
    mark: usize,
    tree: &mut Tree<'a, 'v, '_, impl Hold<'a, 'v>>,
) -> Option<usize> {
    let inner = &text[mark + 1..];
    let length = memchr3(b';', b'<', b'&', inner.as_bytes())?;
    let character = inner[length..]
        .starts_with(';')
        .then(|| referenced(&inner[..length]))??;
    tree.character(character).ok()?;
    Some(mark + "&;".len() + length)
}
