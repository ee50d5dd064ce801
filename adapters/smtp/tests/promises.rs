//! What the README promises of mails and of the conversation about them, with a real mail server.
#![allow(clippy::unwrap_used)]

mod peer;

use std::{fs, path::Path, time::Duration};

use peer::{MAIL, PASSWORD, Server, USER, message, told};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use trunkline_sdk::{Adapter, Delivered, Outcome, Remedy, Settings, Sink};
use trunkline_smtp::Smtp;

/// What becomes of one mail for this name.
async fn sent(sink: &dyn Sink, name: &str) -> Outcome {
    let batch = [message(name, name, "fine")];
    sink.write(&batch).await.remove(0)
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_meant() {
    // given
    let server = Server::plain().await;
    let system = server.system(&[]).await;
    fs::write(
        server.folder.path().join("order.html"),
        "<p>Dear {{buyer.name}}: {{note}}</p>",
    )
    .unwrap();
    let endpoint = Settings::of(MAIL.into_iter().chain([
        ("cc", "archive@acme.example"),
        ("reply_to", "Hilfe <help@acme.example>"),
        ("html_file", "order.html"),
    ]));
    let sink = system.sink("mail", &endpoint).await.unwrap();
    // when
    let note = format!("grüße 🎉 <b>&</b> {}", "long ".repeat(300));
    let outcomes = sink.write(&[message("o-1", "zoe", &note)]).await;
    // then
    assert_eq!(told(&outcomes[0]), ("applied", None));
    let mail = server.mails().remove(0);
    assert_eq!(mail["envelope_from"], "shop@acme.example");
    assert_eq!(
        mail["envelope_to"],
        json!(["zoe@b.example", "archive@acme.example"])
    );
    let headers = &mail["headers"];
    assert_eq!(headers["From"], "Acmé Shop <shop@acme.example>");
    assert_eq!(headers["To"], "\"Zoë, \\\"the\\\" <Buyer>\" <zoe@b.example>");
    assert_eq!(headers["Cc"], "archive@acme.example");
    assert_eq!(headers["Reply-To"], "Hilfe <help@acme.example>");
    assert_eq!(headers["Subject"], format!("Order o-1: {note}"));
    assert_eq!(headers["Message-ID"], "<o-1.mail@acme.example>");
    assert_eq!(headers["Auto-Submitted"], "auto-generated");
    assert_eq!(headers["MIME-Version"], "1.0");
    assert!(headers["Date"].is_string());
    assert_eq!(
        mail["text"],
        format!("Dear Zoë, \"the\" <Buyer>,\n.\n..thank you for o-1.\n{note}\n")
    );
    let html = mail["html"].as_str().unwrap();
    assert!(html.contains("Zoë, &quot;the&quot; &lt;Buyer&gt;: grüße 🎉 &lt;b&gt;&amp;&lt;/b&gt;"));
    assert_eq!(mail["defects"], json!([]));
    assert_eq!(mail["is_ascii"], true);
    assert!(mail["longest_line"].as_u64().unwrap() <= 998);
}

#[tokio::test]
async fn a_value_with_a_line_break_adds_no_header_and_is_parked() {
    // given
    let server = Server::plain().await;
    let sink = server.sink(&[]).await;
    // when
    let batch = [
        message("a", "zoe", "x\r\nBcc: all@acme.example"),
        message("b", "zoe@b.example>\r\nRCPT TO:<all", "x"),
        message("c", "zoe, all", "x"),
        message("d", "zöe", "x"),
        message("e", "zoe", "fine"),
    ];
    let outcomes = sink.write(&batch).await;
    // then
    for outcome in &outcomes[..4] {
        assert_eq!(told(outcome), ("rejected", Some(Remedy::DeadLetter)));
        assert!(!format!("{outcome:?}").contains("all"), "{outcome:?}");
    }
    assert_eq!(told(&outcomes[4]), ("applied", None));
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["envelope_to"], json!(["zoe@b.example"]));
}

#[tokio::test]
async fn each_answer_of_the_server_has_its_remedy() {
    // given
    let server = Server::plain().await;
    let sink = server.sink(&[]).await;
    for (name, expected) in [
        ("refused", ("rejected", Some(Remedy::DeadLetter))),
        ("later", ("rejected", Some(Remedy::Retry))),
        ("spam", ("rejected", Some(Remedy::DeadLetter))),
        ("full", ("rejected", Some(Remedy::Retry))),
        ("closing", ("not tried", Some(Remedy::Reopen))),
        ("lost-before-data", ("not tried", Some(Remedy::Reopen))),
        ("silent-before-data", ("not tried", Some(Remedy::Reopen))),
        ("garbage", ("not tried", Some(Remedy::Reopen))),
        ("endless", ("not tried", Some(Remedy::Reopen))),
        ("lost-after-data", ("in doubt", Some(Remedy::Reopen))),
        ("never-taken", ("in doubt", Some(Remedy::Reopen))),
    ] {
        // when
        let outcome = sent(&*sink, name).await;
        // then
        assert_eq!(told(&outcome), expected, "{name}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("b.example"), "{outcome:?}");
        // and the sink is good for the next
        assert_eq!(
            told(&sent(&*sink, &format!("behind-{name}")).await),
            ("applied", None),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_to_a_whole_mail_leaves_it_in_doubt_and_the_rest_of_the_batch_untried() {
    // given
    let server = Server::plain().await;
    let sink = server.sink(&[]).await;
    let batch = ["before", "silent-after-data", "behind"].map(|name| message(name, name, "fine"));
    // when
    let outcomes = sink.write(&batch).await;
    // then
    let words: Vec<_> = outcomes.iter().map(|outcome| told(outcome).0).collect();
    assert_eq!(words, ["applied", "in doubt", "not tried"]);
    // when it is repeated
    let outcomes = sink.write(&batch[..1]).await;
    // then what was taken is known
    assert_eq!(told(&outcomes[0]), ("repeat", None));
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn a_system_that_is_opened_anew_knows_what_it_has_sent() {
    // given
    let server = Server::plain().await;
    let smtp = Smtp::new();
    let settings = server.settings(&[]);
    let mut told_of = Vec::new();
    for _ in 0..2 {
        // when
        let system = smtp.open(&settings, Path::new(".")).await.unwrap();
        let sink = system.sink("mail", &Settings::of(MAIL)).await.unwrap();
        told_of.push(told(&sent(&*sink, "zoe").await).0);
        system.close().await;
    }
    // then
    assert_eq!(told_of, ["applied", "repeat"]);
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn mails_go_through_one_connection_until_it_is_lost() {
    // given
    let server = Server::plain().await;
    let sink = server.sink(&[]).await;
    for name in ["a", "refused", "dropped-when-idle"] {
        sent(&*sink, name).await;
    }
    // when the server has given it up while nobody used it
    let outcome = sent(&*sink, "c").await;
    // then
    assert_eq!(told(&outcome), ("applied", None));
    let connections: Vec<_> = server
        .mails()
        .iter()
        .map(|mail| mail["connection"].clone())
        .collect();
    assert_eq!(connections[0], connections[1]);
    assert_ne!(connections[1], connections[2]);
}

#[tokio::test]
async fn a_mail_goes_to_all_of_its_recipients_or_to_none() {
    // given
    let server = Server::plain().await;
    let endpoint = Settings::of(MAIL.into_iter().chain([("cc", "refused@acme.example")]));
    let sink = server.system(&[]).await.sink("mail", &endpoint).await.unwrap();
    // when
    let outcome = sent(&*sink, "zoe").await;
    // then
    assert_eq!(told(&outcome), ("rejected", Some(Remedy::DeadLetter)));
    assert_eq!(server.mails().len(), 0);
}

#[tokio::test]
async fn a_mail_that_is_too_large_for_us_or_for_the_server_is_parked() {
    let server = Server::start(json!({ "mode": "plain", "size": 100_000 })).await;
    for (max_size, length) in [("1KiB", 2_000), ("1MiB", 200_000), ("1MiB", 2_000_000)] {
        let sink = server.sink(&[("max_size", max_size)]).await;
        let long: Delivered = message("a", "zoe", &"x".repeat(length));
        let outcomes = sink.write(&[long]).await;
        assert_eq!(
            told(&outcomes[0]),
            ("rejected", Some(Remedy::DeadLetter)),
            "{length}"
        );
    }
    assert_eq!(server.mails().len(), 0);
}

#[tokio::test]
async fn a_password_is_sent_encrypted_and_a_wrong_one_stops_the_flow() {
    for (mode, scheme, exclude) in [("starttls", "smtp", "LOGIN"), ("tls", "smtps", "PLAIN")] {
        // given
        let options = json!({ "user": USER, "password": PASSWORD, "exclude": [exclude] });
        let server = Server::encrypted(mode, options).await;
        let url = format!("{scheme}://{USER}@localhost:{}", server.cable.address().port());
        let right = [
            ("url", url.as_str()),
            ("tls", "required"),
            ("tls_ca", "ca.pem"),
            ("password", PASSWORD),
        ];
        // when
        let sink = server.sink(&right).await;
        // then
        assert_eq!(told(&sent(&*sink, "zoe").await), ("applied", None), "{mode}");
        let mail = server.mails().remove(0);
        assert_eq!(
            (mail["encrypted"].as_bool(), mail["user"].as_str()),
            (Some(true), Some(USER))
        );
        let report = server.system(&right).await.test().await.unwrap();
        assert!(
            report.contains("encrypted") && !report.contains(PASSWORD),
            "{report}"
        );
        // and given another password
        let wrong = [right[0], right[1], right[2], ("password", "wr0ng-password")];
        let outcome = sent(&*server.sink(&wrong).await, "zoe").await;
        assert_eq!(told(&outcome), ("not tried", Some(Remedy::Stop)), "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("wr0ng"), "{outcome:?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_whose_encryption_is_not_to_be_trusted() {
    // given servers without STARTTLS, with a certificate of somebody else, and without a user's trust
    let plain = Server::plain().await;
    let starttls = Server::encrypted("starttls", json!({})).await;
    let address = format!("smtp://127.0.0.1:{}", starttls.cable.address().port());
    for (server, pairs) in [
        (&plain, &[("tls", "required")][..]),
        (&starttls, &[("tls", "required")]),
        (
            &starttls,
            &[
                ("tls", "required"),
                ("tls_ca", "ca.pem"),
                ("url", address.as_str()),
            ],
        ),
        (&starttls, &[("tls", "none")]),
    ] {
        // when
        let outcome = sent(&*server.sink(pairs).await, "zoe").await;
        // then
        let (_, remedy) = told(&outcome);
        assert_eq!(remedy, Some(Remedy::Stop), "{pairs:?}: {outcome:?}");
        assert_eq!(server.mails().len(), 0);
    }
}

#[tokio::test]
async fn a_user_that_the_server_does_not_ask_for_or_asks_for_in_vain_stops_the_flow() {
    // given
    let open = Server::plain().await;
    let url = format!(
        "smtp://{USER}:{PASSWORD}@localhost:{}",
        open.cable.address().port()
    );
    let closed = Server::start(json!({ "mode": "plain", "user": USER, "password": PASSWORD })).await;
    for (server, pairs) in [(&open, &[("url", url.as_str())][..]), (&closed, &[])] {
        // when
        let outcome = sent(&*server.sink(pairs).await, "zoe").await;
        // then
        assert_eq!(told(&outcome).1, Some(Remedy::Stop), "{outcome:?}");
        assert!(!format!("{outcome:?}").contains(PASSWORD));
    }
}

#[tokio::test]
async fn what_is_said_between_starttls_and_tls_is_no_part_of_the_conversation() {
    // given one who listens in and adds an answer of his own
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://localhost:{}", listener.local_addr().unwrap().port());
    let attacker = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mail.test\r\n").await.unwrap();
        for answer in [
            "250-mail.test\r\n250 STARTTLS\r\n",
            "220 go on\r\n250 AUTH PLAIN\r\n",
        ] {
            let mut byte = [0];
            while byte != *b"\n" {
                stream.read_exact(&mut byte).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        stream.read_to_end(&mut Vec::new()).await
    });
    let server = Server::plain().await;
    // when
    let sink = server.sink(&[("tls", "required"), ("url", &url)]).await;
    let outcome = sent(&*sink, "zoe").await;
    // then
    assert_eq!(told(&outcome), ("not tried", Some(Remedy::Stop)), "{outcome:?}");
    attacker.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_host_that_takes_connections_and_says_nothing_is_left_in_time() {
    // given
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://localhost:{}", listener.local_addr().unwrap().port());
    let server = Server::plain().await;
    let sink = server.sink(&[("url", &url), ("timeout", "100ms")]).await;
    let batch: Vec<_> = (0..256)
        .map(|number| message(&number.to_string(), "zoe", "fine"))
        .collect();
    // when
    let outcomes = tokio::time::timeout(Duration::from_secs(10), sink.write(&batch)).await;
    // then one of the batch waited, not each
    let outcomes = outcomes.expect("256 times 100 ms are longer");
    assert!(
        outcomes
            .iter()
            .all(|outcome| told(outcome) == ("not tried", Some(Remedy::Reopen)))
    );
}
