//! Which system holds and receives which data, for those who must answer for it.

use std::fs;

use crate::{scene::Scene, support::process::output};

async fn catalogue(scene: &Scene, format: &str) -> String {
    let (code, data, talk) = scene.command(&["catalogue", "--format", format], &[]).await;
    assert_eq!((code, talk.as_str()), (Some(0), ""));
    data
}

#[tokio::test]
async fn the_catalogue_tells_personal_data_first_and_then_each_system() {
    let page = catalogue(&Scene::shop(), "markdown").await;
    assert!(
        page.starts_with(
            "\
# Data of shop

Which system holds and receives which data, as the flows of the landscape read and write it.

## Personal data

| field | | held by | received by |
|---|---|---|---|
| `Order.buyer.email` | **personal** | `drop:customer.email`, `shop:customer.email` | - |
"
        ),
        "{page}"
    );
    for line in [
        "## System `erp`\n\nReached by `sql`.\n\nReceives:\n",
        "| `stock.sku` |  | `Order.lines[].sku`, `StockMove.sku` | `drop:line_items[].sku`, `shop:line_items[].sku` |\n",
        "| `customer.email` | **personal** | `Order.buyer.email` | - |\n",
        "## Channel `eu-orders`\n\nCarries `trunkline.commerce.v1.Order`.\n",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
}

#[tokio::test]
async fn what_is_reckoned_from_personal_data_is_personal_where_it_goes() {
    // given the picking list takes the name, in capitals
    let scene = Scene::shop();
    let flow = scene.home().join("flows/pick-eu.yaml");
    let text = fs::read_to_string(&flow).expect("it was copied");
    let text = text.replace("route, country)", "route, country, who)").replace(
        ":ship_to.country_code)",
        ":ship_to.country_code, upper(:ship_to.name))",
    );
    fs::write(flow, text).expect("the test may write there");
    let schema = scene.home().join("erp.sql");
    let text = fs::read_to_string(&schema).expect("it was copied");
    let text = text.replace("country TEXT NOT NULL)", "country TEXT NOT NULL, who TEXT)");
    fs::write(schema, text).expect("the test may write there");
    // then
    let page = catalogue(&scene, "markdown").await;
    let line = "| `picks.who` | **personal** | `Order.ship_to.name` | `drop:shipping_address.name`, \
                `shop:shipping_address.name` |\n";
    assert!(page.contains(line), "{page}");
    assert!(page.contains("| `Order.ship_to.name` | **personal** | `drop:shipping_address.name`, `shop:shipping_address.name` | `erp:picks.who` |\n"), "{page}");
}

#[tokio::test]
async fn the_page_is_html_that_needs_nothing_beside_it_and_escapes_what_it_shows() {
    // given a mapping that reads a field with a name of the worst kind, in a folder of such a name
    let scene = Scene::shop();
    let mapping = scene.home().join("maps/shop-order.cel");
    let text = fs::read_to_string(&mapping).expect("it was copied");
    fs::write(
        &mapping,
        text.replace("this.name", r#"this["<script>alert('&')</script>"]"#),
    )
    .expect("it can be written");
    let worse = scene.home().with_file_name("<b>&'");
    fs::rename(scene.home(), &worse).expect("the test may write there");
    // when
    let arguments = [
        "catalogue",
        "--format",
        "html",
        worse.to_str().expect("it is text"),
    ];
    let (code, page, _) = output(&arguments, &[]).await;
    // then
    assert_eq!(code, Some(0));
    assert!(
        page.contains("<title>Data of &lt;b&gt;&amp;&#39;</title>"),
        "{page}"
    );
    assert!(
        page.contains("<code>&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;</code>"),
        "{page}"
    );
    for foreign in ["<script", "src=", "http://", "https://", "url(", "<link", "<img"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // every element that is opened is closed
    let void = ["meta", "!doctype"];
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let name: String = tag
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '/' || *c == '!')
            .collect();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed)),
            None if void.contains(&name.as_str()) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    // and a link leads somewhere
    for link in page.split("href=\"#").skip(1) {
        let name = link.split('"').next().expect("it is closed");
        assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
    }
}
