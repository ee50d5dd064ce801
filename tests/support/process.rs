//! The program as its users run it: a process of its own, started, watched, killed.

#![allow(dead_code, reason = "every test file uses a part of it")]

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

/// How long a process may take for what it is awaited for.
const LONGEST: Duration = Duration::from_secs(60);

/// A running `trunkline`. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    talk: Lines<BufReader<ChildStderr>>,
    /// What it has said so far.
    pub(crate) said: String,
}

impl Process {
    /// Starts `trunkline` with these arguments, in an environment of only these variables.
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = command(arguments, variables)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program was built for this test");
        let talk = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        Self {
            child,
            talk,
            said: String::new(),
        }
    }

    /// Starts a landscape, or one process of it, and waits until it is at work.
    pub(crate) async fn run(landscape: &Path, process: Option<&str>, variables: &[(&str, &str)]) -> Self {
        let landscape = landscape.to_str().expect("the path is text");
        let mut arguments = vec!["run", landscape];
        arguments.extend(process.iter().flat_map(|process| ["--process", process]));
        let mut process = Self::start(&arguments, variables);
        process.says("ready: ").await;
        process
    }

    /// Waits until it has said this, and returns the line.
    pub(crate) async fn says(&mut self, text: &str) -> String {
        let said = async {
            while let Some(line) = self.talk.next_line().await.expect("stderr can be read") {
                self.said.push_str(&line);
                self.said.push('\n');
                if line.contains(text) {
                    return line;
                }
            }
            panic!("it ended without saying `{text}`, but:\n{}", self.said);
        };
        match tokio::time::timeout(LONGEST, said).await {
            Ok(line) => line,
            Err(_) => panic!("it has not said `{text}` within {LONGEST:?}"),
        }
    }

    /// SIGKILL, and gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it was running");
    }

    /// SIGTERM; waits for its end.
    pub(crate) async fn terminate(self) -> ExitStatus {
        self.signal_to_stop().await;
        self.ended().await.0
    }

    /// SIGTERM.
    pub(crate) async fn signal_to_stop(&self) {
        let sent = Command::new("kill")
            .args(["-TERM", &self.id().to_string()])
            .status()
            .await
            .expect("`kill` is there");
        assert!(sent.success());
    }

    /// Waits for its end; returns what it has said, too.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        // Its pipe must not fill up while it says goodbye.
        let goodbye = async {
            while let Ok(Some(line)) = self.talk.next_line().await {
                self.said.push_str(&line);
                self.said.push('\n');
            }
        };
        let ended = async { tokio::join!(self.child.wait(), goodbye).0 };
        let ended = tokio::time::timeout(LONGEST, ended)
            .await
            .expect("it ends within a minute");
        (ended.expect("it can be waited for"), self.said)
    }

    /// Its id, for a look at its memory.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it is running")
    }
}

/// Where the program is.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_trunkline"))
}

/// `trunkline` with these arguments, in an environment of only these variables.
pub(crate) fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    command
}

/// The same, with this on its stdin.
pub(crate) async fn fed(arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut child = command(arguments, &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program was built for this test");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let feed = async move {
        // It may end before it has read all.
        let _ = stdin.write_all(input).await;
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.expect("it can be waited for");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it speaks UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Runs it to its end: exit code, stdout, stderr.
pub(crate) async fn output(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = command(arguments, variables)
        .output()
        .await
        .expect("the program was built for this test");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it speaks UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}
