//! Function calls.

use trunkline_sdk::nearest;

use super::{Checker, Expected, Typed};
use crate::mapping::{
    failure::Budget,
    functions::{self, Function, Gives, Pattern, Takes, Zone},
    kind::Kind,
    plan::{Item, Node},
    source::Span,
    syntax::{Expr, ExprKind},
    types::Type,
    value::Val,
};

/// What stands before a dot and is no value: `math.abs(x)`.
const GROUPS: [&str; 10] = [
    "base64", "cel", "lists", "math", "optional", "proto", "regex", "sets", "strings", "xref",
];

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        expr: &Expr,
        target: Option<&Expr>,
        name: &str,
        args: &[Expr],
        expected: Option<Expected<'_>>,
    ) -> Typed {
        // `math.abs(x)` is a function of a group, not of a variable `math`.
        if let Some(target) = target
            && let ExprKind::Ident(group) = &target.kind
            && GROUPS.contains(&group.as_str())
            && !self.locals.iter().any(|local| local.name == *group)
        {
            let full = format!("{group}.{name}");
            return match full.as_str() {
                "cel.bind" => self.bind(expr, args, expected),
                "proto.hasExt" | "proto.getExt" => self.extension_call(expr, name, args),
                "cel.block" => self.block(expr, args, expected),
                "cel.index" | "cel.iterVar" => self.block_variable(expr),
                "optional.of" | "optional.ofNonZeroValue" | "optional.none" => {
                    self.optional(expr, &full, args, expected)
                }
                "xref.find" | "xref.to" | "xref.findTo" => self.xref(expr, &full, args),
                "regex.extract" | "regex.extractAll" | "regex.replace" => self.regex(expr, name, args),
                "math.greatest" | "math.least" => self.extreme(expr, &full, args),
                _ => self.function(expr, None, &full, args),
            };
        }
        match (target, name) {
            (None, "has") => self.has(expr, args),
            (None, "dyn" | "type") => self.about_type(expr, name, args),
            (None, "xref") => self.xref(expr, name, args),
            (None, "lookup") => self.lookup(expr, args, expected),
            (None, "money") => self.money(expr, args),
            (Some(target), "matches") => match args {
                [pattern] => self.pattern(expr, "matches", target, pattern, &[]),
                _ => self.pattern_missing(expr, "text.matches(\"^[A-Z]+$\")"),
            },
            (None, "matches") => match args {
                [text, pattern] => self.pattern(expr, "matches", text, pattern, &[]),
                _ => self.pattern_missing(expr, "matches(text, \"^[A-Z]+$\")"),
            },
            (Some(target), _) => {
                if let Some(typed) = self.list_macro(expr, target, name, args, expected) {
                    return typed;
                }
                if let Some(typed) = self.optional_method(expr, target, name, args, expected) {
                    return typed;
                }
                self.function(expr, Some(target), name, args)
            }
            (None, _) => self.function(expr, None, name, args),
        }
    }

    /// `dyn(x)`: the value, of which nothing is known any more. `type(x)`: its type.
    fn about_type(&mut self, expr: &Expr, name: &str, args: &[Expr]) -> Typed {
        let [arg] = args else {
            self.refuse(expr.mark, format!("`{name}` takes one argument"), None);
            return Typed::error();
        };
        let typed = self.check(arg, None);
        if typed.ty == Type::Error {
            return Typed::error();
        }
        if name == "dyn" {
            return Typed::new(typed.node, Type::Any);
        }
        let known = match &typed.ty {
            Type::Optional(_) => Some("optional_type"),
            _ => None,
        };
        let node = Node::TypeOf(typed.node.boxed(), known);
        Typed::new(node, Type::Named)
    }

    fn function(&mut self, expr: &Expr, target: Option<&Expr>, name: &str, args: &[Expr]) -> Typed {
        let exprs: Vec<&Expr> = target.into_iter().chain(args).collect();
        let method = target.is_some();
        let named: Vec<_> = functions::all()
            .filter(|function| function.name == name && function.method == method)
            .collect();
        if named.is_empty() {
            let before = self.problems.len();
            for arg in exprs {
                // What stands inside may have problems of its own; a macro's variable is none of them.
                if !matches!(&arg.kind, ExprKind::Ident(_)) {
                    self.check(arg, None);
                }
            }
            if !method || self.problems.len() == before {
                self.unknown_function(expr, name, method);
            }
            return Typed::error();
        }
        let checked: Vec<_> = exprs.iter().map(|arg| self.check(arg, None)).collect();
        if checked.iter().any(|typed| typed.ty == Type::Error) {
            return Typed::new(Node::This, self.result_of(&named, &checked));
        }
        let checked = match of_enum(name, checked) {
            Ok(typed) => return typed,
            Err(checked) => self.in_zone(&named, checked),
        };
        let counted: Vec<_> = named
            .iter()
            .filter(|function| function.takes.len() == checked.len())
            .collect();
        let signatures = || listed_signatures(&named);
        if counted.is_empty() {
            let given = match args.len() {
                0 => "no argument".to_owned(),
                1 => "1 argument".to_owned(),
                count => format!("{count} arguments"),
            };
            let what = format!("`{name}` does not take {given}");
            self.refuse(expr.mark, what, Some(&signatures()));
            return Typed::new(Node::This, self.result_of(&named, &[]));
        }
        let mut fitting = counted.iter().filter(|function| {
            let mut pairs = function.takes.iter().zip(&checked);
            pairs.all(|(takes, typed)| takes.accepts(&typed.ty))
        });
        let Some(function) = fitting.next() else {
            self.unfit_argument(name, &counted, &exprs, &checked, &signatures());
            return Typed::new(Node::This, self.result_of(&named, &[]));
        };
        let others: Vec<_> = fitting.collect();
        self.check_constants(function, &exprs, &checked);
        let mut ty = self.gives(function, &checked, expr.mark);
        // Of a part of a record it shows at run time which of several it is; each of them does it for all.
        for other in others {
            let other = self.gives(other, &checked, expr.mark);
            ty = ty.join(other).unwrap_or(Type::Any);
        }
        let (nodes, at) = (checked.into_iter().map(|typed| typed.node).collect(), expr.span);
        self.folded(function, nodes, ty, at)
    }

    /// With the zone that is declared as the last argument, where a function takes one and is given none. What may be
    /// anything is left alone, for it may be what has no zone.
    fn in_zone(&self, named: &[&Function], mut checked: Vec<Typed>) -> Vec<Typed> {
        let Some(zone) = self.environment.zone else {
            return checked;
        };
        // A text may be a pattern or a zone: only one that is known to be a pattern stands in front of a zone.
        let fits = |(takes, typed): (&Takes, &Typed)| match (takes, &typed.node) {
            (Takes::Pattern, Node::Const(Val::Text(text))) => Pattern::new(text.as_str()).is_some(),
            (Takes::Pattern, _) => false,
            _ => typed.ty != Type::Any && takes.accepts(&typed.ty),
        };
        let takes_zone = |function: &&Function| match function.takes.split_last() {
            Some((Takes::Zone, before)) => {
                before.len() == checked.len() && before.iter().zip(&checked).all(fits)
            }
            _ => false,
        };
        if named.iter().any(takes_zone) {
            let zone = Node::Const(Val::text(zone.to_owned()));
            checked.push(Typed::new(zone, Type::Text));
        }
        checked
    }

    /// Time zones and patterns that are known must be some.
    fn check_constants(&mut self, function: &Function, exprs: &[&Expr], checked: &[Typed]) {
        for ((takes, expr), typed) in function.takes.iter().zip(exprs).zip(checked) {
            let Node::Const(Val::Text(text)) = &typed.node else {
                continue;
            };
            let text = text.as_str();
            if *takes == Takes::Zone && Zone::get(text).is_none() {
                let hint = Zone::near(text);
                self.refuse(expr.span, format!("there is no time zone `{text}`"), Some(&hint));
            }
            if *takes == Takes::Pattern && Pattern::new(text).is_none() {
                let hint = "YYYY, MM and DD once each, then hh, mm and ss: `DD.MM.YYYY hh:mm`";
                self.refuse(expr.span, format!("`{text}` is no pattern of a time"), Some(hint));
            }
        }
    }

    /// `math.greatest(1, 2, 3)`: of its arguments, or of a list.
    fn extreme(&mut self, expr: &Expr, name: &str, args: &[Expr]) -> Typed {
        if let [list] = args
            && !matches!(&list.kind, ExprKind::Literal(_) | ExprKind::Negate(_))
        {
            let before = self.problems.len();
            let typed = self.check(list, None);
            if self.problems.len() > before {
                return Typed::error();
            }
            if matches!(typed.ty, Type::List(_) | Type::Dyn | Type::Any) {
                let number = |ty: &Type| ty.is_number() || matches!(ty, Type::Dyn | Type::Any | Type::Open);
                if let Type::List(item) = &typed.ty
                    && !number(item)
                {
                    let what = format!("is {}, but `{name}` takes numbers", typed.ty);
                    self.refuse(list.span, what, None);
                    return Typed::error();
                }
                return self.function(expr, None, name, args);
            }
        }
        let mut common: Option<Type> = None;
        let mut items = Vec::with_capacity(args.len());
        for arg in args {
            let typed = self.check(arg, None);
            let ty = match typed.ty {
                Type::Error => return Typed::error(),
                ty if ty.is_number() || matches!(ty, Type::Dyn | Type::Any) => ty,
                other => {
                    self.refuse(arg.span, format!("is {other}, but `{name}` takes numbers"), None);
                    return Typed::error();
                }
            };
            common = Some(match common {
                None => ty,
                Some(before) if before == ty => ty,
                Some(Type::Any) | Some(Type::Dyn) => Type::Any,
                Some(_) => Type::Number,
            });
            items.push(Item {
                value: typed.node,
                form: crate::mapping::plan::Form::Plain,
                optional: false,
            });
        }
        let (Some(ty), Some(function)) = (common, functions::all().find(|function| function.name == name))
        else {
            self.refuse(expr.mark, format!("`{name}` takes at least one number"), None);
            return Typed::error();
        };
        let node = Node::Call {
            run: function.run,
            args: vec![Node::List(items)],
            kind: None,
            at: expr.span,
        };
        Typed::new(node, ty)
    }

    /// A call whose arguments are all known is done now: what it does not like is told before it runs.
    fn folded(&mut self, function: &Function, nodes: Vec<Node>, ty: Type, at: Span) -> Typed {
        let known: Option<Vec<Val<'static>>> = nodes
            .iter()
            .map(|node| match node {
                Node::Const(value) => Some(value.clone()),
                _ => None,
            })
            .collect();
        // A message takes its type along, which a constant has no room for.
        let kind = match &ty {
            Type::Message(message) => Some(Box::new(Kind::new(message))),
            _ => None,
        };
        if let Some(mut values) = known {
            return match (function.run)(&mut values, &mut Budget::new()) {
                Ok(value) if kind.is_none() => Typed::new(Node::Const(value), ty),
                Ok(_) => Typed::new(
                    Node::Call {
                        run: function.run,
                        args: nodes,
                        kind,
                        at,
                    },
                    ty,
                ),
                Err(failure) => {
                    self.fails(&failure, at);
                    let node = Node::Call {
                        run: function.run,
                        args: nodes,
                        kind,
                        at,
                    };
                    Typed::new(node, ty)
                }
            };
        }
        let node = Node::Call {
            run: function.run,
            args: nodes,
            kind,
            at,
        };
        Typed::new(node, ty)
    }

    fn unfit_argument(
        &mut self,
        name: &str,
        counted: &[&&'static Function],
        exprs: &[&Expr],
        checked: &[Typed],
        signatures: &str,
    ) {
        for (at, (arg, typed)) in exprs.iter().zip(checked).enumerate() {
            let accepted = counted
                .iter()
                .any(|function| function.takes[at].accepts(&typed.ty));
            if accepted {
                continue;
            }
            let mut words: Vec<_> = counted.iter().map(|function| function.takes[at].word()).collect();
            words.dedup();
            let hint = match &typed.ty {
                Type::Optional(_) => "orValue(..) says what to take where nothing is there".to_owned(),
                Type::Dyn => format!("{}(..) makes one of a text", words.join(" or ")),
                _ => signatures.to_owned(),
            };
            let what = format!("is {}, but `{name}` takes {} here", typed.ty, words.join(" or "));
            self.refuse(arg.span, what, Some(&hint));
        }
    }

    fn unknown_function(&mut self, expr: &Expr, name: &str, method: bool) {
        let other_way = functions::names(!method).any(|known| known == name);
        let hint = if other_way && method {
            Some(format!("it is called as `{name}(..)`"))
        } else if other_way {
            Some(format!("it is called behind its value: `value.{name}(..)`"))
        } else {
            match (
                nearest(name, functions::names(method)),
                nearest(name, functions::names(!method)),
            ) {
                (Some(near), _) => Some(format!("did you mean `{near}`?")),
                (None, Some(near)) if method => Some(format!("did you mean `{near}(..)`?")),
                (None, Some(near)) => Some(format!("did you mean `value.{near}(..)`?")),
                (None, None) => None,
            }
        };
        self.refuse(
            expr.mark,
            format!("there is no function `{name}`"),
            hint.as_deref(),
        );
    }

    fn gives(&mut self, function: &Function, checked: &[Typed], at: Span) -> Type {
        let first = || checked.first().map_or(Type::Dyn, |typed| typed.ty.clone());
        match function.gives {
            Gives::Bool => Type::Bool,
            Gives::Int => Type::Int,
            Gives::Uint => Type::Uint,
            Gives::Double => Type::Double,
            Gives::Text => Type::Text,
            Gives::Bytes => Type::Bytes,
            Gives::Timestamp => Type::Timestamp,
            Gives::Duration => Type::Duration,
            Gives::Texts => Type::list(Type::Text),
            Gives::Ints => Type::list(Type::Int),
            Gives::Any => Type::Any,
            Gives::First => first(),
            Gives::Element => element(first()),
            Gives::OptionalElement => Type::Optional(Box::new(element(first()))),
            Gives::Inner => match element(first()) {
                Type::List(inner) => Type::List(inner),
                other => Type::list(other),
            },
            Gives::Message(name) => match self.environment.pool.get_message_by_name(name) {
                Some(message) => Type::Message(message),
                None => {
                    self.refuse(
                        at,
                        format!("the schema has no type {name}"),
                        Some("import it in a .proto file"),
                    );
                    Type::Error
                }
            },
        }
    }

    /// What a call with problems gives all the same, so that they are told once.
    fn result_of(&mut self, named: &[&'static Function], checked: &[Typed]) -> Type {
        match named.first() {
            Some(function)
                if !matches!(
                    function.gives,
                    Gives::First | Gives::Element | Gives::OptionalElement | Gives::Inner | Gives::Message(_)
                ) =>
            {
                self.gives(function, checked, Span::default())
            }
            _ => Type::Error,
        }
    }
}

/// `string(enum)` gives its word, `int(enum)` its number.
fn of_enum(name: &str, mut checked: Vec<Typed>) -> Result<Typed, Vec<Typed>> {
    let kind = match checked.as_slice() {
        [
            Typed {
                ty: Type::Enum(kind), ..
            },
        ] if matches!(name, "string" | "int") => kind.clone(),
        _ => return Err(checked),
    };
    let node = checked.swap_remove(0).node;
    Ok(match name {
        "string" => Typed::new(Node::Word(kind, node.boxed()), Type::Text),
        _ => Typed::new(node, Type::Int),
    })
}

fn listed_signatures(named: &[&'static Function]) -> String {
    let mut all: Vec<_> = named.iter().map(|function| function.signature()).collect();
    all.dedup();
    all.join(" or ")
}

fn element(list: Type) -> Type {
    match list {
        Type::List(item) => item.settled(),
        Type::Dyn => Type::Dyn,
        _ => Type::Any,
    }
}
