//! The letter that the settings of a flow's end describe, read before any message comes.
//!
//! Promises: all that is wrong with it is told at once, each at its place, be that in a file.

use std::{ops::Range, sync::Arc};

use trunkline_sdk::{Endpoint, Options, Place, Problem, Settings, Shape, Used};

use crate::{
    account::{self, Account},
    letter::{Addressee, Letter},
    options::{SINK, SYSTEM},
    shape,
    template::{Flaw, Slot, Template},
};

/// The text of the file that a setting names; `None`: it is not known yet. Errors: why it cannot be had.
pub(crate) type Texts<'t> = dyn Fn(&Settings) -> Result<Option<Arc<str>>, String> + 't;

/// The mail of a flow, whose files are read by `file`; all that is wrong at once, and what leads nowhere in what arrives.
pub(crate) fn letter(
    settings: &Settings,
    account: Option<&Account>,
    shape: Option<&Shape>,
    file: &Texts<'_>,
) -> Result<Option<Letter>, Vec<Problem>> {
    let options = Options::read(SINK, settings)?;
    let mut problems = Vec::new();
    let mut is_known = true;
    let mut texts = [("text", "text_file"), ("html", "html_file")].map(|(inline, named)| {
        let (setting, text, place): (_, Option<Arc<str>>, _) = match (options.get(inline), options.get(named))
        {
            (Some(_), Some(named)) => {
                let what = format!("`{inline}` and `{inline}_file` exclude each other");
                problems.push(Problem::new(&named.place, what).hint("leave one of them out"));
                return None;
            }
            (Some(setting), None) => (setting, setting.text().map(Into::into), None),
            (None, Some(setting)) => match file(setting) {
                Ok(text) => (setting, text, setting.text()),
                Err(what) => {
                    problems.push(Problem::new(&setting.place, what));
                    return None;
                }
            },
            (None, None) => return None,
        };
        let Some(text) = text else {
            is_known = false;
            return None;
        };
        let at = |part: Range<usize>| match place {
            Some(path) => place_in(path, &text, part),
            None => setting.within(part),
        };
        template(&text, shape, &at, &mut problems)
    });
    let is_written = ["text", "html", "text_file", "html_file"]
        .iter()
        .any(|option| options.get(option).is_some());
    if !is_written {
        problems.push(
            Problem::new(&settings.place, "the mail has neither `text` nor `html`")
                .hint("`text: \"Dear {{buyer.name}}, …\"`, or `text_file: mail/order.txt`"),
        );
    }
    let mut addressees = |name: &str| -> Vec<Addressee> {
        let list = options
            .get(name)
            .map_or(&[][..], |list| list.items().unwrap_or(std::slice::from_ref(list)));
        list.iter()
            .filter_map(|setting| addressee(setting, shape, &mut problems))
            .collect()
    };
    let (to, cc, mut reply_to) = (addressees("to"), addressees("cc"), addressees("reply_to"));
    if let Some(setting) = options
        .get("to")
        .filter(|to| to.items().is_some_and(<[_]>::is_empty))
    {
        problems.push(Problem::new(&setting.place, "`to` is empty").hint("name at least one address"));
    }
    let subject = options.get("subject").and_then(|setting| {
        let text = setting.text().unwrap_or_default();
        if text.chars().any(char::is_control) {
            problems.push(
                Problem::new(&setting.place, "`subject` must be one line").hint("write it between quotes"),
            );
            return None;
        }
        template(text, shape, &|part| setting.within(part), &mut problems)
    });
    let from = match options.get("from") {
        Some(from) => account::sender(from, &mut problems),
        None => account.map(|account| account.from.clone()),
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let (Some(from), Some(subject), Some(account), true) = (from, subject, account, is_known) else {
        return Ok(None);
    };
    Ok(Some(Letter {
        from,
        to,
        cc,
        reply_to: reply_to.pop(),
        subject,
        text: texts[0].take(),
        html: texts[1].take(),
        max_size: account.max_size,
    }))
}

/// See [`trunkline_sdk::Adapter::check`].
pub(crate) fn check(system: &Settings, endpoints: &[Endpoint<'_>]) -> Vec<Problem> {
    let account = Account::read(system);
    let mut problems = Vec::new();
    for endpoint in endpoints {
        if let Endpoint::Sink { settings, shape } = endpoint {
            let known = |setting: &Settings| Ok(setting.file().cloned());
            let letter = letter(settings, account.as_ref().ok(), *shape, &known);
            problems.extend(letter.err().unwrap_or_default());
        }
    }
    // What the table of options says was told before.
    if Options::read(SYSTEM, system).is_ok() {
        problems.extend(account.err().unwrap_or_default());
    }
    problems
}

/// Which fields of a message a mail holds, by the option; see [`trunkline_sdk::Adapter::uses`]. `None`: that cannot be told.
pub(crate) fn uses(settings: &Settings) -> Option<Vec<Used>> {
    let mut used = Vec::new();
    for entry in settings.entries()? {
        let single = std::slice::from_ref(&entry.value);
        for setting in entry.value.items().unwrap_or(single) {
            let is_file = entry.key.ends_with("_file");
            let text = setting.text()?;
            let read = if is_file {
                setting.file().map(|text| &**text)?
            } else {
                text
            };
            for slot in Template::read(read, 0).ok()?.slots() {
                used.push(Used {
                    path: slot.path.clone(),
                    name: entry.key.clone(),
                    place: match is_file {
                        true => place_in(text, read, slot.part.clone()),
                        false => setting.within(slot.part.clone()),
                    },
                });
            }
        }
    }
    Some(used)
}

/// A template, each of whose places leads to a value.
fn template(
    text: &str,
    shape: Option<&Shape>,
    at: &dyn Fn(Range<usize>) -> Place,
    problems: &mut Vec<Problem>,
) -> Option<Template> {
    match Template::read(text, 0) {
        Ok(template) => {
            problems.extend(astray(template.slots(), shape, at));
            Some(template)
        }
        Err(flaws) => {
            problems.extend(flaws.into_iter().map(|flaw| flawed(flaw, at)));
            None
        }
    }
}

fn addressee(setting: &Settings, shape: Option<&Shape>, problems: &mut Vec<Problem>) -> Option<Addressee> {
    let at = |part| setting.within(part);
    match Addressee::read(setting.text().unwrap_or_default()) {
        Ok(addressee) => {
            problems.extend(astray(addressee.slots(), shape, &at));
            Some(addressee)
        }
        Err(flaws) => {
            problems.extend(flaws.into_iter().map(|flaw| flawed(flaw, &at)));
            None
        }
    }
}

fn astray<'t>(
    slots: impl Iterator<Item = &'t Slot>,
    shape: Option<&Shape>,
    at: &dyn Fn(Range<usize>) -> Place,
) -> Vec<Problem> {
    let Some(shape) = shape else {
        return Vec::new();
    };
    slots
        .filter_map(|slot| shape::check(slot, shape, &at(slot.part.clone())))
        .collect()
}

fn flawed(flaw: Flaw, at: &dyn Fn(Range<usize>) -> Place) -> Problem {
    Problem::new(&at(flaw.part), flaw.what)
        .hint("a value is `{{buyer.name}}`; an address is `a@b.example` or `Name <a@b.example>`, one to an item of a list")
}

/// Where a part of a file stands.
fn place_in(path: &str, text: &str, part: Range<usize>) -> Place {
    let before = text.get(..part.start).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let shown = text
        .get(part)
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Place {
        file: path.into(),
        line: count(before.matches('\n').count() + 1),
        column: count(line.chars().count() + 1),
        width: count(shown.chars().count().max(1)),
    }
}

#[cfg(test)]
mod tests {
    use trunkline_sdk::{Field, Within};

    use super::*;

    const FROM: (&str, &str) = ("from", "Acme <shop@acme.example>");

    /// An order with an id, a buyer with name and email, and lines.
    fn order() -> Shape {
        let field = |name: &str, within| Field {
            name: name.to_owned(),
            within,
        };
        Shape {
            name: "shop.Order".to_owned(),
            whole: Within::Object(0),
            objects: vec![
                vec![
                    field("order_id", Within::Value),
                    field("buyer", Within::Object(1)),
                    field("lines", Within::List),
                ],
                vec![field("name", Within::Value), field("email", Within::Value)],
            ],
        }
    }

    fn told(pairs: &[(&str, &str)]) -> Vec<String> {
        let system = Settings::of([FROM, ("url", "smtp://mail.example")]);
        let (settings, shape) = (Settings::of(pairs.iter().copied()), order());
        let endpoint = Endpoint::Sink {
            settings: &settings,
            shape: Some(&shape),
        };
        let problems = check(&system, &[endpoint]).into_iter();
        problems
            .map(|problem| format!("{} ({})", problem.what, problem.hint.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn a_mail_is_right_when_each_of_its_places_leads_to_a_value() {
        let right = [
            ("to", "{{buyer.name}} <{{buyer.email}}>"),
            ("subject", "Order {{order_id}}"),
            ("text", "Dear {{ buyer.name }}"),
            ("html", "<p>{{buyer.name}}</p>"),
            ("reply_to", "help@acme.example"),
        ];
        assert_eq!(told(&right), Vec::<String>::new());
    }

    #[test]
    fn everything_that_is_wrong_with_a_mail_is_told_at_once() {
        // when
        let told = told(&[
            ("to", "{{buyer.name}} <{{buyer.emial}}>"),
            ("cc", "a@b.example, c@d.example"),
            ("subject", "Order {{order}} {{order_id.x}}"),
            ("text", "{{lines}} {{buyer}} {{x"),
            ("html", "{{lines.sku}} {{buyer}}"),
            ("from", "{{buyer.email}}"),
        ]);
        // then
        assert_eq!(told.len(), 8, "{told:#?}");
        let all = told.join("\n");
        for part in [
            "did you mean `{{buyer.email}}`?",
            "this is no mail address",
            "`{{order}}` is no field of `shop.Order`",
            "leads into `order_id`, which is a single value",
            "this `{{` has no `}}`",
            "leads into the list `lines`",
            "`{{buyer}}` is an object",
            "`from` is no mail address",
        ] {
            assert!(all.contains(part), "{part}: {told:#?}");
        }
    }

    #[test]
    fn a_mail_needs_a_text_and_a_subject_of_one_line() {
        let pairs = [("to", "a@b.example"), ("subject", "x")];
        assert_eq!(told(&pairs).len(), 1);
        assert_eq!(told(&[pairs[0], ("subject", "x\n"), ("text", "y")]).len(), 1);
        assert_eq!(
            told(&[pairs[0], pairs[1], ("text", "y"), ("text_file", "y.txt")]).len(),
            1
        );
        // A file that `check` does not have is not looked at.
        assert_eq!(told(&[pairs[0], pairs[1], ("text_file", "y.txt")]).len(), 0);
    }

    #[test]
    fn a_place_in_a_file_is_told_in_lines_and_characters() {
        let place = place_in("mail/a.txt", "é\nab {{x}}\n", 6..11);
        assert_eq!((place.line, place.column, place.width), (2, 4, 5));
    }
}
