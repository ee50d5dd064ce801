//! `trunkline topology users`: one broker user per role, with the rights that the landscape's plan gives it.

use serde_json::{Value, json};
use trunkline_sdk::Fault;

use super::{Failure, Scene, say};
use crate::{
    bus::rabbitmq::{Grant, Password, Role},
    cli::count,
    config::{Feed, Plan, Target},
    names::ProcessName,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Users {
    #[command(flatten)]
    scene: Scene,
    /// What the users' names begin with; one of its own for each landscape on the same broker
    #[arg(long, default_value = "trunkline", value_name = "WORD")]
    prefix: String,
    /// Definitions for `rabbitmqctl import_definitions`, with hashes of the passwords
    #[arg(long, conflicts_with = "apply")]
    json: bool,
    /// Make the users, and set their rights, through the management API; its user must be an administrator
    #[arg(long)]
    apply: bool,
    /// Generate the passwords that are not set in TRUNKLINE_PASSWORD_<ROLE>, and show them
    #[arg(long)]
    show_passwords: bool,
}

/// A role's user with its password, and whether that was generated here.
struct User {
    grant: Grant,
    variable: String,
    password: Option<Password>,
    generated: bool,
}

impl Users {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let plan = self.scene.plan()?;
        let broker = self.scene.broker(&plan, "users")?;
        let vhost = broker.vhost();
        if !self.json && !self.apply {
            for role in roles(&plan) {
                say::data(format_args!(
                    "{}",
                    commands(&role, &role.grant(&self.prefix, &plan.topology), vhost)
                ))?;
            }
            return Ok(());
        }
        let mut users = Vec::new();
        let mut missing = Vec::new();
        for role in roles(&plan) {
            let mut user = User::of(&role, role.grant(&self.prefix, &plan.topology));
            let needs_one = self.json || !broker.has_user(&user.grant.user).await?;
            if user.password.is_none() && needs_one {
                if self.show_passwords {
                    user.password = Some(Password::generate()?);
                    user.generated = true;
                } else {
                    missing.push(user.variable.clone());
                }
            }
            users.push(user);
        }
        if !missing.is_empty() {
            return Err(
                Fault::stop(format!("there is no password in {}", missing.join(", ")))
                    .hint("set them in the environment; or have them generated and shown: `--show-passwords`")
                    .into(),
            );
        }
        if self.json {
            say::data(format_args!("{}\n", definitions(&users, vhost)?))?;
        } else {
            say::talk(format_args!(
                "setting password and rights in vhost `{vhost}` of {}: {}",
                count(users.len(), "user"),
                users
                    .iter()
                    .map(|user| user.grant.user.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
            for user in &users {
                broker.grant(&user.grant, user.password.as_ref()).await?;
            }
        }
        for user in users.iter().filter(|user| user.generated) {
            let line = format!(
                "{}={}",
                user.variable,
                user.password.as_ref().map_or("", Password::reveal)
            );
            // Beside definitions, which are the data then.
            if self.json {
                say::talk(format_args!("{line}"));
            } else {
                say::data(format_args!("{line}\n"))?;
            }
        }
        Ok(())
    }
}

impl User {
    fn of(role: &Role, grant: Grant) -> Self {
        let variable = variable(role);
        let password = std::env::var(&variable).ok().filter(|text| !text.is_empty());
        Self {
            grant,
            variable,
            password: password.map(Password::chosen),
            generated: false,
        }
    }
}

/// One for each process, or for the whole landscape if it has none; and two for people.
fn roles(plan: &Plan) -> Vec<Role> {
    let mut roles: Vec<_> = plan
        .processes
        .keys()
        .map(|name| process_role(plan, Some(name)))
        .collect();
    if roles.is_empty() {
        roles.push(process_role(plan, None));
    }
    roles.extend([Role::Operator, Role::Topology]);
    roles
}

/// The role of one process, or of one that runs the whole landscape.
pub(super) fn process_role(plan: &Plan, process: Option<&ProcessName>) -> Role {
    let flows: Vec<_> = plan.flows_of(process).collect();
    Role::Process {
        name: process.cloned().unwrap_or_else(ProcessName::whole),
        publishes: flows.iter().flat_map(|flow| flow.publishes()).cloned().collect(),
        reads: flows
            .iter()
            .filter(|flow| matches!(flow.feed, Feed::Channel { .. }))
            .flat_map(|flow| flow.queues())
            .map(|queue| queue.name)
            .collect(),
        asks: flows.iter().any(|flow| plan.asks(flow)),
        answers: flows
            .iter()
            .any(|flow| matches!(flow.target, Target::Reply { .. })),
    }
}

fn variable(role: &Role) -> String {
    format!(
        "TRUNKLINE_PASSWORD_{}",
        role.word().to_uppercase().replace('-', "_")
    )
}

/// What an administrator types; the password comes from the environment, and is on no command line.
fn commands(role: &Role, grant: &Grant, vhost: &str) -> String {
    let Grant {
        user,
        configure,
        write,
        read,
        tags,
    } = grant;
    let mut text = format!(
        "printf '%s\\n' \"${}\" | rabbitmqctl add_user {user}\n\
         rabbitmqctl set_permissions -p {} {user} '{configure}' '{write}' '{read}'\n",
        variable(role),
        quoted(vhost)
    );
    if !tags.is_empty() {
        text.push_str(&format!("rabbitmqctl set_user_tags {user} {}\n", tags.join(" ")));
    }
    text
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn definitions(users: &[User], vhost: &str) -> Result<Value, Fault> {
    let mut definitions = Vec::new();
    for user in users {
        if let Some(password) = &user.password {
            definitions.push(user.grant.user_definition(password)?);
        }
    }
    let permissions = users.iter().map(|user| user.grant.permission_definition(vhost));
    Ok(json!({ "users": definitions, "permissions": Value::from_iter(permissions) }))
}
