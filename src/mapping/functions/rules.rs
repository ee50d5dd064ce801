//! What rules ask of values, under the names that protovalidate gives it; each asks what the standard rule of its kind
//! asks (`string.email`, `repeated.unique`).

use super::{Function, Gives, Takes, convert::integer, strings::text, unfit};
use crate::{
    canonical::rules::formats as form,
    mapping::{
        failure::{Budget, Failure},
        operators::equal,
        parts::items,
        value::Val,
    },
};

type Ran<'a> = Result<Val<'a>, Box<Failure>>;

const TEXT: &[Takes] = &[Takes::Text];
const TEXT_INT: &[Takes] = &[Takes::Text, Takes::Int];

pub(super) const FUNCTIONS: &[Function] = &[
    method(
        "isEmail",
        TEXT,
        "whether the text is an email address",
        |args, _| is(args, form::is_email),
    ),
    method(
        "isHostname",
        TEXT,
        "whether the text is the name of a host",
        |args, _| is(args, form::is_hostname),
    ),
    method(
        "isHostAndPort",
        &[Takes::Text, Takes::Bool],
        "whether the text is a host, or its address, and a port; false: which may be missing",
        host_and_port,
    ),
    method("isIp", TEXT, "whether the text is an IP address", |args, _| {
        is(args, form::is_ip)
    }),
    method(
        "isIp",
        TEXT_INT,
        "the same, of version 4 or 6; 0: of either",
        |args, _| versioned(args, [form::is_ip, form::is_ipv4, form::is_ipv6]),
    ),
    method(
        "isIpPrefix",
        TEXT,
        "whether the text is an IP network, or an address in one: `10.0.0.7/8`",
        |args, _| is(args, form::is_ip_with_length),
    ),
    method(
        "isIpPrefix",
        TEXT_INT,
        "the same, of version 4 or 6; 0: of either",
        |args, _| {
            versioned(
                args,
                [
                    form::is_ip_with_length,
                    form::is_ipv4_with_length,
                    form::is_ipv6_with_length,
                ],
            )
        },
    ),
    method(
        "isIpPrefix",
        &[Takes::Text, Takes::Bool],
        "the same; true: a network, no bit set behind its length",
        |args, _| prefix(&args[0], &args[1], 0),
    ),
    method(
        "isIpPrefix",
        &[Takes::Text, Takes::Int, Takes::Bool],
        "the same, of version 4 or 6; 0: of either",
        |args, _| prefix(&args[0], &args[2], integer(&args[1])?),
    ),
    method("isUri", TEXT, "whether the text is a URI", |args, _| {
        is(args, form::is_uri)
    }),
    method(
        "isUriRef",
        TEXT,
        "whether the text is a URI, or a reference relative to one",
        |args, _| is(args, form::is_uri_reference),
    ),
    method(
        "isNan",
        &[Takes::Double],
        "whether a double is no number",
        |args, _| double(&args[0], f64::is_nan),
    ),
    method(
        "isInf",
        &[Takes::Double],
        "whether a double is infinite",
        |args, _| double(&args[0], f64::is_infinite),
    ),
    method(
        "isInf",
        &[Takes::Double, Takes::Int],
        "whether a double is infinite, with the sign of the int; 0: with either",
        |args, _| {
            let sign = integer(&args[1])?;
            match &args[0] {
                Val::Double(number) => Ok(Val::Bool(
                    number.is_infinite() && (sign == 0 || (sign > 0) == (*number > 0.0)),
                )),
                other => double(other, f64::is_infinite),
            }
        },
    ),
    method("unique", &[Takes::List], "whether no item comes twice", unique),
];

const fn method(
    name: &'static str,
    takes: &'static [Takes],
    doc: &'static str,
    run: super::Implementation,
) -> Function {
    Function {
        name,
        method: true,
        takes,
        gives: Gives::Bool,
        doc,
        run,
    }
}

fn is<'a>(args: &[Val<'a>], asked: fn(&str) -> bool) -> Ran<'a> {
    Ok(Val::Bool(asked(text(&args[0])?.as_str())))
}

/// Of either version, of 4, of 6.
fn versioned<'a>(args: &[Val<'a>], asked: [fn(&str) -> bool; 3]) -> Ran<'a> {
    match integer(&args[1])? {
        0 => is(args, asked[0]),
        4 => is(args, asked[1]),
        6 => is(args, asked[2]),
        _ => Ok(Val::Bool(false)),
    }
}

fn prefix<'a>(value: &Val<'a>, strict: &Val<'a>, version: i64) -> Ran<'a> {
    let Val::Bool(strict) = strict else {
        return Err(unfit("boolean", strict));
    };
    let asked = match strict {
        true => [form::is_ip_prefix, form::is_ipv4_prefix, form::is_ipv6_prefix],
        false => [
            form::is_ip_with_length,
            form::is_ipv4_with_length,
            form::is_ipv6_with_length,
        ],
    };
    versioned(&[value.clone(), Val::Int(version)], asked)
}

fn host_and_port<'a>(args: &mut [Val<'a>], _: &mut Budget) -> Ran<'a> {
    let Val::Bool(required) = args[1] else {
        return Err(unfit("boolean", &args[1]));
    };
    let host = text(&args[0])?.as_str();
    let alone = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(form::is_ipv6)
        || form::is_hostname(host)
        || form::is_ipv4(host);
    Ok(Val::Bool(form::is_host_and_port(host) || (!required && alone)))
}

/// A number of a record is neither infinite nor NaN.
fn double<'a>(value: &Val<'a>, asked: fn(f64) -> bool) -> Ran<'a> {
    match value {
        Val::Double(number) => Ok(Val::Bool(asked(*number))),
        Val::Number(_) => Ok(Val::Bool(false)),
        other => Err(unfit("double", other)),
    }
}

fn unique<'a>(args: &mut [Val<'a>], budget: &mut Budget) -> Ran<'a> {
    let all = items(&args[0], budget)?;
    for (at, item) in all.iter().enumerate() {
        budget.steps(at)?;
        for earlier in &all[..at] {
            if equal(earlier, item, budget)? {
                return Ok(Val::Bool(false));
            }
        }
    }
    Ok(Val::Bool(true))
}
