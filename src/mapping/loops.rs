//! Runs the macros over lists and maps.

use trunkline_sdk::Value;

use super::{
    entries::Entries,
    evaluate::Run,
    failure::Failure,
    operators::{is_map, sort},
    parts::{entries, items},
    plan::{Evaluated, Loop, LoopKind},
    source::Span,
    value::Val,
};

impl<'a> Run<'a> {
    pub(super) fn run_loop(&mut self, node: &'a Loop) -> Evaluated<'a> {
        let range = self.evaluate(&node.range)?;
        match node.kind {
            LoopKind::All | LoopKind::Exists => self.decide(node, &range),
            LoopKind::TransformMap | LoopKind::TransformMapEntry => self.transform_map(node, &range),
            _ => self.gather(node, &range),
        }
    }

    /// Conditions stop at the first item that decides, so the list is not gathered first; one that decides does so
    /// whatever fault another gives.
    fn decide(&mut self, node: &'a Loop, range: &Val<'a>) -> Evaluated<'a> {
        let deciding = node.kind == LoopKind::Exists;
        let (mut decided, mut failed) = (false, None);
        self.walk(node, range, |run| match run.test(&node.body, node.at) {
            Ok(flag) if flag == deciding => {
                decided = true;
                Ok(false)
            }
            Ok(_) => Ok(true),
            Err(failure) if failure.exhausted => Err(failure),
            Err(failure) => {
                failed = failed.take().or(Some(failure));
                Ok(true)
            }
        })?;
        match failed {
            _ if decided => Ok(Val::Bool(deciding)),
            Some(failure) => Err(failure),
            None => Ok(Val::Bool(!deciding)),
        }
    }

    fn gather(&mut self, node: &'a Loop, range: &Val<'a>) -> Evaluated<'a> {
        let (mut count, mut kept, mut keys) = (0, Vec::new(), Vec::new());
        self.walk(node, range, |run| {
            match node.kind {
                LoopKind::ExistsOne => count += usize::from(run.test(&node.body, node.at)?),
                LoopKind::Filter => {
                    if run.test(&node.body, node.at)? {
                        kept.push(run.locals[node.slot].clone());
                    }
                }
                LoopKind::SortBy => {
                    keys.push(run.evaluate(&node.body)?);
                    kept.push(run.locals[node.slot].clone());
                }
                _ => kept.push(run.evaluate(&node.body)?),
            }
            Ok(true)
        })?;
        match node.kind {
            LoopKind::ExistsOne => Ok(Val::Bool(count == 1)),
            LoopKind::SortBy => sort(keys, kept, &mut self.budget).map_err(|failure| failure.at(node.at)),
            _ => Ok(Val::list(kept)),
        }
    }

    fn transform_map(&mut self, node: &'a Loop, range: &Val<'a>) -> Evaluated<'a> {
        let mut made = Entries::default();
        self.walk(node, range, |run| {
            let value = run.evaluate(&node.body)?;
            if node.kind == LoopKind::TransformMap {
                made.insert(run.locals[node.slot].clone(), value)?;
                return Ok(true);
            }
            for (key, value) in entries(&value, &mut run.budget)? {
                made.insert(key, value)?;
            }
            Ok(true)
        })
        .map_err(|failure| failure.at(node.at))?;
        Ok(made.into_map())
    }

    /// Sets the variables for each item that meets the loop's condition, and calls `body`, until it says stop.
    fn walk(
        &mut self,
        node: &'a Loop,
        range: &Val<'a>,
        mut body: impl FnMut(&mut Self) -> Result<bool, Box<Failure>>,
    ) -> Result<(), Box<Failure>> {
        self.each_of(node, range, |run| {
            if let Some(test) = &node.test
                && !run.test(test, node.at)?
            {
                return Ok(true);
            }
            body(run)
        })
    }

    /// Sets the variables of a loop for each item, and calls `body`, until it says stop.
    pub(super) fn each_of(
        &mut self,
        node: &'a Loop,
        range: &Val<'a>,
        mut body: impl FnMut(&mut Self) -> Result<bool, Box<Failure>>,
    ) -> Result<(), Box<Failure>> {
        let Some(second) = node.second else {
            return self.each(range, node.at, |run, item| {
                run.set(node.slot, item);
                body(run)
            });
        };
        if is_map(range) {
            for (key, value) in entries(range, &mut self.budget)? {
                self.set(node.slot, key);
                self.set(second, value);
                if !body(self)? {
                    break;
                }
            }
            return Ok(());
        }
        let mut at = 0;
        self.each(range, node.at, |run, item| {
            run.set(node.slot, Val::Int(at));
            run.set(second, item);
            at += 1;
            body(run)
        })
    }

    /// Calls `body` with each item of a list (each key of a map) until it says stop.
    pub(crate) fn each(
        &mut self,
        range: &Val<'a>,
        at: Span,
        mut body: impl FnMut(&mut Self, Val<'a>) -> Result<bool, Box<Failure>>,
    ) -> Result<(), Box<Failure>> {
        if let Val::Repeated(message, field) = range {
            self.budget.bytes(message.as_slice().len())?;
            let mut failed = None;
            let walked = field.each(message, |item| {
                let more = self.budget.steps(1).and_then(|()| body(self, item));
                match more {
                    Ok(more) => more,
                    Err(failure) => {
                        failed = Some(failure);
                        false
                    }
                }
            });
            walked?;
            return failed.map_or(Ok(()), Err);
        }
        if let Val::Record(Value::List(list)) = range {
            for item in list {
                self.budget.steps(1)?;
                if !body(self, Val::record(item))? {
                    break;
                }
            }
            return Ok(());
        }
        for item in items(range, &mut self.budget).map_err(|failure| failure.at(at))? {
            if !body(self, item)? {
                break;
            }
        }
        Ok(())
    }
}
