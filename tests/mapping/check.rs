//! What the checker finds before anything runs; each is the transcript a person reads.

use trunkline::mapping::{Mapping, Source, Split, This};

use crate::{environment, kind, mapping, on, predicate, told};

fn refused(text: &str) -> String {
    let problems = mapping(This::Record, text).err().unwrap_or_default();
    told(&problems)
}

fn refused_predicate(text: &str) -> String {
    let problems = predicate(on("trunkline.commerce.v1.Order"), text)
        .err()
        .unwrap_or_default();
    told(&problems)
}

#[test]
fn all_problems_of_a_mapping_are_told_at_once_where_they_stand() {
    assert_eq!(
        refused(
            r#"// every line but two is wrong
Order{
  order_id:  this.id,
  placed_at: this.created_at,
  status:    "CANCELED",
  lines:     this.line_items.map(line, OrderLine{
               sku: line.sku,
               quantity: "2",
               unit_price: string(line.price) }),
  totl:      money(this.total, this.currency),
  note:      trimm(this.note),
  tags:      lin.x + 1,
}"#
        ),
        "\
order.cel:2:1 required field `trunkline.commerce.v1.Order.total` is never set
  = add the line `total: money(amount, currency),`
order.cel:4:14 is of unknown type (a part of the record), but trunkline.commerce.v1.Order.placed_at is timestamp
  = timestamp(text)
order.cel:5:14 enum trunkline.commerce.v1.OrderStatus has no value `CANCELED`
  = did you mean `CANCELLED`? values: `UNSPECIFIED`, `PENDING`, `AUTHORIZED`, `PARTIALLY_PAID`, `PAID`, \
`PARTIALLY_FULFILLED`, `FULFILLED`, `PARTIALLY_REFUNDED`, `REFUNDED`, `CANCELLED`
order.cel:8:26 is string, but trunkline.commerce.v1.OrderLine.quantity is uint
  = uint(..)
order.cel:9:28 is string, but trunkline.commerce.v1.OrderLine.unit_price is message google.type.Money
  = money(amount, currency)
order.cel:10:3 trunkline.commerce.v1.Order has no field `totl`
  = did you mean `total`?
order.cel:11:14 there is no function `trimm`
  = did you mean `value.trim(..)`?
order.cel:12:3 trunkline.commerce.v1.Order has no field `tags`
  = fields: `order_id`, `placed_at`, `status`, `buyer`, `lines`, `ship_to`, `bill_to`, `total`, `subtotal`, \
`discounts`, `shipping`, `taxes`, …
order.cel:12:14 `lin` is not known here
  = known here: `this`, `attributes`; texts stand between quotes
"
    );
}

#[test]
fn types_and_tables_must_exist() {
    assert_eq!(
        refused("Ordr{}"),
        "order.cel:1:1 there is no message type `Ordr`\n  = did you mean `Order`?\n"
    );
    assert_eq!(
        refused("Twin{ name: 'x' }"),
        "order.cel:1:1 several message types are called `Twin`\n  = write its name in full: `zoo.v1.Animal.Twin`, \
         `zoo.v1.Twin`, `zoo.v1.Keeper.Twin`\n"
    );
    assert_eq!(refused("zoo.v1.Twin{ name: 'x' }"), "");
    assert_eq!(refused("Keeper.Twin{ name: 'x' }"), "");
    assert_eq!(
        refused("Animal{ string: lookup('order-statu', this.a), diet: this.diet }"),
        "order.cel:1:24 there is no lookup table `order-statu`\n  = did you mean `order-status`?\n\
         order.cel:1:54 is of unknown type (a part of the record), but zoo.v1.Animal.diet is enum zoo.v1.Diet\n  \
         = lookup(\"table\", code) translates a code; a word of the enum is written as a text\n"
    );
    let told = refused("OrderLine{ sku: 'a', quantity: 1, unit_price: money(1, 'EUR'), name: this.x } == 1");
    assert!(
        told.contains("`==` cannot compare message trunkline.commerce.v1.OrderLine with int"),
        "{told}"
    );
    let told = refused("Order{ order_id: 'a', status: lookup('bad-status', this.s) }");
    assert!(
        told.contains(
            "order.cel:1:38 lookup table `bad-status` gives `PAYD`, which is no value of enum \
             trunkline.commerce.v1.OrderStatus\n  = did you mean `PAID`?"
        ),
        "{told}"
    );
}

#[test]
fn what_does_not_fit_its_field_is_told_with_what_would() {
    for (field, problem) in [
        (
            "int32: 'a'",
            "is string, but zoo.v1.Animal.int32 is int\n  = int(..)",
        ),
        (
            "uint32: -2",
            "-2 does not fit uint32, which zoo.v1.Animal.uint32 is",
        ),
        (
            "int32: 3000000000",
            "3000000000 does not fit int32, which zoo.v1.Animal.int32 is",
        ),
        (
            "double: 1",
            "is int, but zoo.v1.Animal.double is double\n  = double(..)",
        ),
        (
            "string: 1.5",
            "is double, but zoo.v1.Animal.string is string\n  = string(..)",
        ),
        ("string: this.?a", "is optional of unknown type"),
        ("string: null", "is null, but zoo.v1.Animal.string is string"),
        (
            "names: [this.a, 1]",
            "is int, but an item of zoo.v1.Animal.names is string\n  = string(..)",
        ),
        ("names: this.list", "= .map(item, …)"),
        (
            "names: this.list.map(x, size(x))",
            "is int, but an item of zoo.v1.Animal.names is string",
        ),
        ("cubs: this.list", "= .map(item, Animal{ … })"),
        (
            "cubs: Animal{}",
            "is message zoo.v1.Animal, but zoo.v1.Animal.cubs is list of message zoo.v1.Animal",
        ),
        ("diets: ['MEAT', 'FISH']", "enum zoo.v1.Diet has no value `FISH`"),
        (
            "counts: {'a': 'b'}",
            "is string, but a value of zoo.v1.Animal.counts is int",
        ),
        (
            "diet: attributes.key",
            "is string, but zoo.v1.Animal.diet is enum zoo.v1.Diet",
        ),
        (
            "diet: this.a ? 'MEAT' : 'FISH'",
            "enum zoo.v1.Diet has no value `FISH`",
        ),
        ("cage: 'a', free: true", "oneof `home` already has `cage`"),
        ("int32: 1, int32: 2", "field `int32` is set twice"),
        ("nap: '1h'", "= duration(text)"),
        ("nap: duration('1 hour')", "a text of 6 characters is no duration"),
        (
            "born: timestamp('2026-02-30T00:00:00Z')",
            "is no time of RFC 3339",
        ),
        ("?int32: 1", "is int, but behind `?` an optional must stand"),
        ("mother: this.m", "= Animal{ … }"),
        (
            "string: this.a > 1 ? 'x' : 1",
            "gives string or int; both must be of one type",
        ),
    ] {
        let told = refused(&format!("Animal{{ {field} }}"));
        assert!(told.contains(problem), "{field}:\n{told}");
        assert_eq!(
            told.lines().filter(|line| !line.starts_with("  =")).count(),
            1,
            "{field}:\n{told}"
        );
    }
}

#[test]
fn money_is_exact_or_refused() {
    for (money, problem) in [
        ("money(1.5, 'EUR')", "is double, which is no exact amount"),
        (
            "money('1,5', 'EUR')",
            "is no decimal amount with at most 9 decimals",
        ),
        ("money('1', 'euro')", "is no currency code"),
        ("money('1')", "`money` takes an amount and a currency"),
        (
            "money(this.a, 5)",
            "is int, but the currency of `money` is string",
        ),
        (
            "money(true, 'EUR')",
            "is bool, but the amount of `money` is a decimal text or number",
        ),
        (
            "money(double(this.a), 'EUR')",
            "is double, which is no exact amount",
        ),
    ] {
        let told = refused(&format!(
            "OrderLine{{ sku: 'a', quantity: 1, unit_price: {money} }}"
        ));
        assert!(told.contains(problem), "{money}:\n{told}");
    }
}

#[test]
fn predicates_compare_only_what_can_be_equal() {
    for (text, problem) in [
        (
            "this.total > 100",
            "flow.yaml:1:12 `>` cannot compare message google.type.Money with int\n  = compare `.units`",
        ),
        (
            "this.order_id == 5",
            "`==` cannot compare string with int\n  = int(..) or string(..) makes them alike",
        ),
        (
            "this.status == 'PAYD'",
            "flow.yaml:1:16 enum trunkline.commerce.v1.OrderStatus has no value `PAYD`\n  = did you mean `PAID`?",
        ),
        (
            "this.status in ['PAID', 'GONE']",
            "flow.yaml:1:25 enum trunkline.commerce.v1.OrderStatus has no value `GONE`",
        ),
        (
            "'GONE' != this.status",
            "flow.yaml:1:1 enum trunkline.commerce.v1.OrderStatus has no value `GONE`",
        ),
        (
            "this.status == this.order_id",
            "an enum compares with a word of its own, written as a text",
        ),
        ("this.order_id in 'abc'", "= text.contains(part)"),
        (
            "this.lines.sku == 'a'",
            "list of message trunkline.commerce.v1.OrderLine has no field `sku`\n  = of each item: `.map(item, item.sku)`; of one: `[0].sku`",
        ),
        (
            "this.lines.exists(l, l.quantty > 1)",
            "= did you mean `quantity`?",
        ),
        ("this.ship_to == null", "= whether a field is set: has(..)"),
        ("this.order_id", "is string, but a condition must be bool"),
        (
            "order_id == 'a'",
            "`order_id` is not known here\n  = fields are read off `this`: `this.order_id`",
        ),
        (
            "this.placed_at > '2026-01-01'",
            "= timestamp(..) makes an instant of a text",
        ),
        (
            "this.order_id.contains(5)",
            "is int, but `contains` takes string here\n  = string.contains(string)",
        ),
        ("this.order_id.contains()", "`contains` does not take no argument"),
        (
            "this.order_id.containz('a')",
            "there is no function `containz`\n  = did you mean `contains`?",
        ),
        (
            "size(this.status) > 1",
            "is enum trunkline.commerce.v1.OrderStatus, but `size` takes",
        ),
        ("this.order_id.matches('(')", "is no pattern: unclosed group"),
        (
            "this.order_id.matches(this.note)",
            "the pattern of `matches` must be a text literal",
        ),
        (
            "attributes.subjekt == 'a'",
            "there is no attribute `subjekt`\n  = did you mean `subject`?",
        ),
        ("attributes == 1", "`attributes` is no value by itself"),
        (
            "this.lines.exists(l.x, true)",
            "the first argument of `exists` must be the variable's name",
        ),
        (
            "1 + 'a' == 2",
            "`+` does not go between int and string\n  = string(..) makes a text of it",
        ),
        ("1 / 2 == 2.0 + 1", "`+` does not go between double and int"),
        ("has(this)", "`has` takes a field behind a dot"),
    ] {
        let told = refused_predicate(text);
        assert!(told.contains(problem), "{text}:\n{told}");
        assert_eq!(
            told.lines().filter(|line| !line.starts_with("  =")).count(),
            1,
            "{text}:\n{told}"
        );
    }
}

#[test]
fn the_form_of_a_text_is_told_in_our_own_words() {
    for (text, problem) in [
        ("", "order.cel:1:1 there is no expression"),
        (
            "Order{ id: 1 name: 2 }",
            "order.cel:1:14 a comma or `}` is missing before `name`",
        ),
        (
            "Order{ id: }",
            "order.cel:1:12 a value must stand here, found `}`",
        ),
        (
            "Order{\n  id: 1,\n  x: (2 + 3,\n}",
            "order.cel:3:12 `)` is missing before `,`\n  = it closes the `(` at line 3, column 6",
        ),
        (
            "this.a = 1",
            "order.cel:1:8 `=` is no operator\n  = to compare, write `==`; to set a field, `field: value`",
        ),
        (
            "'abc",
            "order.cel:1:1 a text does not end\n  = its closing quote is missing",
        ),
        ("'a\\q'", "order.cel:1:3 `\\q` is no escape"),
        (
            "this.a this.b",
            "order.cel:1:8 `this` cannot follow the expression before it",
        ),
        (
            "if this.a",
            "order.cel:1:1 `if` is a reserved word\n  = write `condition ? then : otherwise`",
        ),
        (
            "this.",
            "order.cel:1:6 a field or function must follow `.`, found the end",
        ),
        ("this.a @ 1", "order.cel:1:8 `@` does not belong here"),
        (
            "99999999999999999999",
            "order.cel:1:1 the number fits neither int nor uint",
        ),
        (
            "{'a': 1",
            "order.cel:1:8 `}` is missing before the end\n  = it closes the `{` at line 1, column 1",
        ),
    ] {
        let told = refused(text);
        assert!(told.starts_with(problem), "{text}:\n{told}");
    }
    let told = refused("Order{ a: , b: ?, c: ) }");
    assert_eq!(told.lines().count(), 3, "each of the three is told:\n{told}");
}

#[test]
fn a_mapping_must_give_what_its_channel_carries() {
    let compile = |text: &str| {
        Mapping::compile(
            &Source::file("order.cel", text),
            &environment(This::Record),
            Some(&kind("zoo.v1.Animal")),
        )
    };
    let problems = compile("zoo.v1.Twin{ name: 'a' }").expect_err("it is of another type");
    assert_eq!(
        told(&problems),
        "order.cel:1:1 gives message zoo.v1.Twin, but must give message zoo.v1.Animal\n  = Animal{ … }\n"
    );
    assert!(compile("this.a ? Animal{ int32: 1 } : Animal{ int32: 2 }").is_ok());
    let problems = Split::compile(
        &Source::file("flow.yaml", "this.order_id"),
        "line",
        &Source::file("flow.yaml", "line.sku"),
        &environment(on("trunkline.commerce.v1.Order")),
        None,
    )
    .expect_err("neither is right");
    assert!(
        told(&problems).contains("is string, but only a list can be split"),
        "{}",
        told(&problems)
    );
}

#[test]
fn what_is_built_on_a_problem_is_not_told_again() {
    for text in [
        "Animal{ string: this.a + nonsense.b.c(1) + 'x' }",
        "Animal{ cubs: nonsense.map(x, Animal{ int32: x.y.z + 1 }) }",
        "Animal{ int32: nonsense ? 1 : 2 }",
        "nonsense(this.a).trim().size() > 1 ? Animal{} : Animal{}",
    ] {
        let told = refused(text);
        assert_eq!(
            told.lines().filter(|line| !line.starts_with("  =")).count(),
            1,
            "{text}:\n{told}"
        );
    }
}
