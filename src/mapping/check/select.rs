//! Reading: `a.b`, `a.?b`, `a[0]`, `has(a.b)`.

use prost_reflect::{Cardinality, MessageDescriptor};
use trunkline_sdk::nearest;

use super::{Checker, Typed, listed};
use crate::{
    canonical::words,
    mapping::{
        This,
        field::{Field, Shape},
        plan::{Key, Node},
        scalar::Scalar,
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
        if let Some(constant) = self.enum_constant(expr).or_else(|| self.type_constant(expr)) {
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
            Type::Optional(inner) if ask != Ask::Presence => (inner.settled(), Ask::Optional),
            Type::Optional(inner) => (inner.settled(), ask),
            ty => (ty, ask),
        };
        match ty {
            Type::Error => Typed::error(),
            Type::Message(message) => match message.get_field_by_name(field) {
                Some(descriptor) => {
                    let ty = Type::of_field(&descriptor);
                    let field = Field::new(&descriptor);
                    Self::field(of.node, field, ty, ask)
                }
                None if message.get_extension_by_full_name(field).is_some() => {
                    self.extension(expr, of.node, &message, field, ask)
                }
                None => {
                    self.no_such_field(expr.mark, &message, field);
                    Typed::error()
                }
            },
            Type::Dyn => self.key(expr, of.node, field, Type::Dyn, ask),
            Type::Any => self.key(expr, of.node, field, Type::Any, ask),
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
            Type::Map(key, value) if matches!(*key, Type::Text | Type::Dyn | Type::Any | Type::Open) => {
                self.key(expr, of.node, field, value.settled(), ask)
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

    fn field(of: Node, field: Field, ty: Type, ask: Ask) -> Typed {
        // A wrapper that is not set is null.
        let nullable = matches!(field.scalar, Scalar::Wrapper(_)) && matches!(field.shape, Shape::One { .. });
        let (of, field) = (of.boxed(), Box::new(field));
        match ask {
            Ask::Value => Typed {
                nullable,
                ..Typed::new(Node::Field(of, field), ty)
            },
            Ask::Optional => Typed::new(Node::OptionalField(of, field), Type::Optional(Box::new(ty))),
            Ask::Presence => Typed::new(Node::HasField(of, field), Type::Bool),
        }
    }

    /// An extension of proto2, by its full name.
    fn extension(
        &mut self,
        expr: &Expr,
        of: Node,
        message: &MessageDescriptor,
        name: &str,
        ask: Ask,
    ) -> Typed {
        let Some(extension) = message.get_extension_by_full_name(name) else {
            self.no_such_field(expr.mark, message, name);
            return Typed::error();
        };
        let item = Type::of_kind(&extension.kind());
        let ty = match extension.cardinality() {
            Cardinality::Repeated => Type::list(item),
            _ => item,
        };
        Self::field(of, Field::extension(&extension), ty, ask)
    }

    /// `proto.hasExt(message, extension)` and `proto.getExt(message, extension)`.
    pub(super) fn extension_call(&mut self, expr: &Expr, name: &str, args: &[Expr]) -> Typed {
        let ask = match name {
            "hasExt" => Ask::Presence,
            _ => Ask::Value,
        };
        let (Some(of), Some(extension)) = (args.first(), args.get(1).and_then(dotted)) else {
            let hint = format!("proto.{name}(message, full.name.of.the_extension)");
            self.refuse(
                expr.mark,
                format!("`proto.{name}` takes a message and an extension"),
                Some(&hint),
            );
            return Typed::error();
        };
        let typed = self.check(of, None);
        match typed.ty {
            Type::Message(message) => self.extension(expr, typed.node, &message, &extension, ask),
            Type::Error => Typed::error(),
            other => {
                self.refuse(
                    of.span,
                    format!("is {other}, but only a message has extensions"),
                    None,
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
            lenient: ty != Type::Any,
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

    pub(super) fn no_such_field(&mut self, at: Span, message: &MessageDescriptor, field: &str) {
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
        let name = dotted(expr)?;
        let (kind, word) = name.rsplit_once('.')?;
        let root = kind.split('.').next().unwrap_or_default();
        if self.is_local(root) || root == "this" || root == "attributes" {
            return None;
        }
        let mut found = self.environment.pool.all_enums().filter(|known| {
            let name = known.full_name();
            name == kind
                || name
                    .strip_suffix(kind)
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

    /// `google.protobuf.Timestamp`: a type.
    fn type_constant(&mut self, expr: &Expr) -> Option<Typed> {
        let name = dotted(expr)?;
        let root = name.split('.').next().unwrap_or_default();
        if self.is_local(root) || root == "this" || root == "attributes" {
            return None;
        }
        let message = self.environment.pool.get_message_by_name(&name)?;
        Some(Typed::named(message.full_name()))
    }

    pub(super) fn index(&mut self, expr: &Expr, operand: &Expr, index: &Expr, optional: bool) -> Typed {
        // `attributes["x-shop"]`: a name that is no word.
        if let (true, ExprKind::Literal(Literal::Text(name))) = (self.is_attributes(operand), &index.kind) {
            let ask = if optional { Ask::Optional } else { Ask::Value };
            return self.attribute(expr, name, ask);
        }
        let of = self.check(operand, None);
        let (ty, optional) = match of.ty.clone() {
            Type::Optional(inner) => (inner.settled(), true),
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
            Type::Any => (Some(Type::Any), Type::Any),
            Type::Object(_) => (Some(Type::Text), Type::Dyn),
            Type::List(item) => (Some(Type::Int), item.settled()),
            // A number is a key whatever its kind.
            Type::Map(key, value) if key.is_integer() => (Some(Type::Number), value.settled()),
            Type::Map(key, value) => (Some(key.settled()), value.settled()),
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
            (Some(Type::Any), _) | (_, Type::Any) => true,
            (None, given) => given.is_integer() || matches!(given, Type::Text | Type::Dyn),
            (Some(Type::Number), given) => given.is_number() || *given == Type::Dyn,
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
        if !optional && let Some(value) = self.check_element(&of.node, &typed.node, expr.span) {
            return Typed::new(Node::Const(value), item);
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

/// A name with dots between its parts: of a type, an enum's value, an extension.
pub(super) fn dotted(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Ident(name) => Some(name.clone()),
        ExprKind::Select {
            operand,
            field,
            optional: false,
        } => Some(dotted(operand)? + "." + field),
        _ => None,
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
