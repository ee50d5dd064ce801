//! Reading: `a.b`, `a.?b`, `a[0]`, `has(a.b)`.

use trunkline_sdk::nearest;

use super::{Checker, Typed, listed};
use crate::{
    canonical::words,
    mapping::{
        This,
        field::Field,
        plan::{Key, Node},
        schema::RecordObject,
        source::Span,
        syntax::{Expr, ExprKind, Literal},
        types::Type,
        value::Val,
    },
};

/// The attributes every message has a name for; a source may add further ones.
const ATTRIBUTES: [&str; 7] = ["id", "source", "subject", "time", "key", "type", "correlation_id"];

/// What is asked of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Value,
    /// `.?`, or a field of an optional.
    Optional,
    /// `has()`.
    Presence,
}

impl Checker<'_> {
    pub(super) fn select(&mut self, expr: &Expr, operand: &Expr, field: &str, optional: bool) -> Typed {
        if let Some(constant) = self.enum_constant(expr) {
            return constant;
        }
        let ask = if optional { Ask::Optional } else { Ask::Value };
        if self.is_attributes(operand) {
            return self.attribute(expr, field, ask);
        }
        let of = self.check(operand, None);
        self.select_from(expr, of, field, ask)
    }

    pub(super) fn has(&mut self, expr: &Expr, args: &[Expr]) -> Typed {
        let [arg] = args else {
            self.refuse(expr.mark, "`has` takes one field: has(this.a)", None);
            return Typed::error();
        };
        let ExprKind::Select {
            operand,
            field,
            optional: false,
        } = &arg.kind
        else {
            let hint = "it asks whether a field is there: has(this.a)";
            self.refuse(arg.span, "`has` takes a field behind a dot", Some(hint));
            return Typed::error();
        };
        if self.is_attributes(operand) {
            return self.attribute(arg, field, Ask::Presence);
        }
        let mut of = self.check(operand, None);
        lenient(&mut of.node);
        self.select_from(arg, of, field, Ask::Presence)
    }

    fn select_from(&mut self, expr: &Expr, of: Typed, field: &str, ask: Ask) -> Typed {
        let (ty, ask) = match of.ty {
            Type::Optional(inner) if ask != Ask::Presence => (*inner, Ask::Optional),
            Type::Optional(inner) => (*inner, ask),
            ty => (ty, ask),
        };
        match ty {
            Type::Error => Typed::error(),
            Type::Message(message) => match message.get_field_by_name(field) {
                Some(descriptor) => {
                    let ty = Type::of_field(&descriptor);
                    let field = Box::new(Field::new(&descriptor));
                    let of = of.node.boxed();
                    match ask {
                        Ask::Value => Typed::new(Node::Field(of, field), ty),
                        Ask::Optional => {
                            Typed::new(Node::OptionalField(of, field), Type::Optional(Box::new(ty)))
                        }
                        Ask::Presence => Typed::new(Node::HasField(of, field), Type::Bool),
                    }
                }
                None => {
                    self.no_such_field(expr.mark, &message, field);
                    Typed::error()
                }
            },
            Type::Dyn => self.key(expr, of.node, field, Type::Dyn, ask),
            Type::Object(object) => match object
                .field(field)
                .map(|field| &field.ty)
                .or(object.rest.as_ref())
            {
                Some(part) => {
                    let typed = self.key(expr, of.node, field, Type::of_record(part), ask);
                    match ask {
                        Ask::Value => Typed::declared(typed.node, part),
                        _ => typed,
                    }
                }
                None => {
                    self.not_declared(expr.mark, &object, field);
                    Typed::error()
                }
            },
            Type::Map(key, value) if matches!(*key, Type::Text | Type::Dyn) => {
                self.key(expr, of.node, field, *value, ask)
            }
            other => {
                let hint = match &other {
                    Type::List(_) => Some(format!(
                        "of each item: `.map(item, item.{field})`; of one: `[0].{field}`"
                    )),
                    Type::Timestamp => {
                        Some("its parts: getFullYear(), getDate() …; its seconds: int(..)".to_owned())
                    }
                    Type::Map(..) => Some("its keys are no texts: `[key]`".to_owned()),
                    _ => None,
                };
                self.refuse(
                    expr.mark,
                    format!("{other} has no field `{field}`"),
                    hint.as_deref(),
                );
                Typed::error()
            }
        }
    }

    fn key(&mut self, expr: &Expr, of: Node, field: &str, ty: Type, ask: Ask) -> Typed {
        let written = self
            .source
            .text()
            .get(expr.span.start as usize..expr.span.end as usize)
            .unwrap_or(field);
        let key = Box::new(Key {
            of,
            name: field.into(),
            last: std::sync::atomic::AtomicUsize::new(0),
            written: written.split_whitespace().collect::<String>().into(),
            at: expr.span,
        });
        match ask {
            Ask::Value => Typed::new(Node::Key(key), ty),
            Ask::Optional => Typed::new(Node::OptionalKey(key), Type::Optional(Box::new(ty))),
            Ask::Presence => Typed::new(Node::HasKey(key), Type::Bool),
        }
    }

    pub(super) fn no_such_field(
        &mut self,
        at: Span,
        message: &prost_reflect::MessageDescriptor,
        field: &str,
    ) {
        let fields: Vec<_> = message.fields().map(|field| field.name().to_owned()).collect();
        let names = || fields.iter().map(String::as_str);
        let hint = match nearest(field, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("fields: {}", listed(names())),
        };
        self.refuse(
            at,
            format!("{} has no field `{field}`", message.full_name()),
            Some(&hint),
        );
    }

    fn not_declared(&mut self, at: Span, object: &RecordObject, field: &str) {
        let names = || object.fields.iter().map(|field| field.name.as_str());
        let hint = match nearest(field, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declared: {}", listed(names())),
        };
        let what = match &self.environment.this {
            This::Declared(schema) => format!("`{}` declares no `{field}` here", schema.name),
            _ => format!("the record has no `{field}` here"),
        };
        self.refuse(at, what, Some(&hint));
    }

    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|local| local.name == name)
    }

    fn is_attributes(&self, operand: &Expr) -> bool {
        matches!(&operand.kind, ExprKind::Ident(name) if name == "attributes") && !self.is_local("attributes")
    }

    fn attribute(&mut self, expr: &Expr, name: &str, ask: Ask) -> Typed {
        // A source may give messages further attributes, so only near misses are surely wrong.
        if !ATTRIBUTES.contains(&name)
            && let Some(near) = nearest(name, ATTRIBUTES)
        {
            let hint = format!(
                "did you mean `{near}`? attributes of every message: {}",
                listed(ATTRIBUTES)
            );
            self.refuse(expr.mark, format!("there is no attribute `{name}`"), Some(&hint));
            return Typed::error();
        }
        let name = name.into();
        match ask {
            Ask::Presence => Typed::new(Node::HasAttribute(name), Type::Bool),
            _ => {
                let optional = ask == Ask::Optional;
                let node = Node::Attribute {
                    name,
                    at: expr.span,
                    optional,
                };
                let ty = if optional {
                    Type::Optional(Box::new(Type::Text))
                } else {
                    Type::Text
                };
                Typed::new(node, ty)
            }
        }
    }

    /// `OrderStatus.ORDER_STATUS_PAID`, also with the package before it.
    fn enum_constant(&mut self, expr: &Expr) -> Option<Typed> {
        let mut parts = Vec::new();
        let mut part = expr;
        while let ExprKind::Select {
            operand,
            field,
            optional: false,
        } = &part.kind
        {
            parts.push(field.as_str());
            part = operand;
        }
        let ExprKind::Ident(root) = &part.kind else {
            return None;
        };
        if self.is_local(root) || root == "this" || root == "attributes" {
            return None;
        }
        parts.push(root);
        parts.reverse();
        let (word, kind) = parts.split_last()?;
        let kind = kind.join(".");
        let mut found = self.environment.pool.all_enums().filter(|known| {
            let name = known.full_name();
            name == kind
                || name
                    .strip_suffix(&kind)
                    .is_some_and(|before| before.ends_with('.'))
        });
        let (first, None) = (found.next()?, found.next()) else {
            return None;
        };
        Some(match words::value(&first, word) {
            Some(value) => Typed::new(
                Node::Const(Val::Int(i64::from(value.number()))),
                Type::Enum(first),
            ),
            None => {
                self.no_such_word(expr.mark, &first, word);
                Typed::error()
            }
        })
    }

    pub(super) fn index(&mut self, expr: &Expr, operand: &Expr, index: &Expr, optional: bool) -> Typed {
        // `attributes["x-shop"]`: a name that is no word.
        if let (true, ExprKind::Literal(Literal::Text(name))) = (self.is_attributes(operand), &index.kind) {
            let ask = if optional { Ask::Optional } else { Ask::Value };
            return self.attribute(expr, name, ask);
        }
        let of = self.check(operand, None);
        let (ty, optional) = match of.ty.clone() {
            Type::Optional(inner) => (*inner, true),
            ty => (ty, optional),
        };
        if let (Type::Object(_), ExprKind::Literal(Literal::Text(name))) = (&ty, &index.kind) {
            let ask = if optional { Ask::Optional } else { Ask::Value };
            let of = Typed { ty, ..of };
            return self.select_from(expr, of, name, ask);
        }
        let typed = self.check(index, None);
        let (wanted, item) = match ty {
            Type::Error => return Typed::error(),
            Type::Dyn => (None, Type::Dyn),
            Type::Object(_) => (Some(Type::Text), Type::Dyn),
            Type::List(item) => (Some(Type::Int), *item),
            Type::Map(key, value) => (Some(*key), *value),
            other => {
                self.refuse(
                    operand.span,
                    format!("{other} has no items to take by `[..]`"),
                    None,
                );
                return Typed::error();
            }
        };
        let fits = match (&wanted, &typed.ty) {
            (_, Type::Error) => return Typed::error(),
            (None, given) => given.is_integer() || matches!(given, Type::Text | Type::Dyn),
            (Some(Type::Int | Type::Uint), given) => given.is_integer() || *given == Type::Dyn,
            (Some(wanted), given) => given == wanted || matches!(given, Type::Dyn) || *wanted == Type::Dyn,
        };
        if !fits {
            let wanted = wanted.map_or_else(|| "int or string".to_owned(), |wanted| wanted.to_string());
            self.refuse(
                index.span,
                format!("is {}, but stands where {wanted} must be", typed.ty),
                None,
            );
            return Typed::error();
        }
        let node = Node::Index {
            of: of.node.boxed(),
            index: typed.node.boxed(),
            optional,
            at: expr.span,
        };
        let ty = if optional {
            Type::Optional(Box::new(item))
        } else {
            item
        };
        Typed::new(node, ty)
    }
}

/// Inside `has`: where what has the field is not there itself, the field is not there either.
fn lenient(node: &mut Node) {
    let mut part = node;
    loop {
        if matches!(part, Node::Key(_)) {
            let Node::Key(key) = std::mem::replace(part, Node::This) else {
                return;
            };
            *part = Node::OptionalKey(key);
        }
        match part {
            Node::OptionalKey(key) => part = &mut key.of,
            _ => return,
        }
    }
}
