//! The command line. Its help, the manual page and `docs/cli.md` are all made from here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::span;

/// A person's way into Pointsman: what stands, what a call would do, and the calls themselves.
#[derive(Debug, Parser)]
#[command(name = "pointsman", bin_name = "pointsman", version, about, max_term_width = 110)]
pub struct Arguments {
    #[command(flatten)]
    pub shared: Shared,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub struct Shared {
    /// The region; else AWS_REGION, AWS_DEFAULT_REGION or the profile's
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// The profile whose credentials are taken; else AWS_PROFILE
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// What the functions' names begin with
    #[arg(long, global = true, value_name = "PREFIX", default_value = "pointsman", env = "POINTSMAN_PREFIX")]
    pub prefix: String,
    /// Answer in JSON, each thing on a line of its own
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where a service's config is read from, if not from the deployed functions.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub struct From {
    /// Read the configs from this SAM or CloudFormation template: its functions' variables, its parameters …/services/SERVICE
    #[arg(long, value_name = "FILE", group = "source")]
    pub template: Option<PathBuf>,
    /// Read the config of SERVICE from this JSON file, or configs as SERVICE_… variables
    #[arg(long, value_name = "FILE", group = "source")]
    pub config: Option<PathBuf>,
    /// Read the configs from this process's own SERVICE_… variables
    #[arg(long, group = "source")]
    pub env: bool,
    /// With --template or --config: merge them over this JSON file; else over the deployed functions' defaults, or nothing with --offline
    #[arg(long, value_name = "FILE", requires = "source", conflicts_with = "env")]
    pub defaults: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What stands: which release serves, since when, how well, and what can be gone back to
    Status {
        /// The service; all of them without it
        service: Option<String>,
        /// Show it again and again, until Ctrl-C
        #[arg(long, short)]
        watch: bool,
        /// With --watch, how often
        #[arg(long, value_name = "TIME", default_value = "5s", value_parser = span::parser(), allow_hyphen_values = true, requires = "watch")]
        every: i64,
        #[command(flatten)]
        from: From,
    },
    /// What a call would do, step by step, changing nothing
    Plan {
        /// The call
        verb: PlanVerb,
        #[command(flatten)]
        of: Of,
        /// Print the smallest IAM policy for exactly this instead
        #[arg(long)]
        policy: bool,
        #[command(flatten)]
        from: From,
    },
    /// Gives customers the release that QA saw
    Promote {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        how: How,
        /// Go on though alarms are red that were so before
        #[arg(long)]
        despite_alarms: bool,
        /// Only if what was approved still stands: register's output Fingerprint
        #[arg(long, value_name = "TEXT")]
        fingerprint: Option<String>,
    },
    /// Gives customers the release before, and tears the bad one down
    #[command(after_help = "RELEASE is the one to leave, never the one to go back to.")]
    Rollback {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        how: How,
    },
    /// Keeps what is product: what was before it is torn down, and a rollback is no longer possible
    Finish {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        how: How,
    },
    /// Takes the whole service down: rules, servers, groups and names; agreed to by typing its name
    Remove {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        how: How,
    },
    /// All faults of a service's config at once, by itself and against the account
    #[command(
        after_help = "Of a rule that a stack of CloudFormation owns this is said, for the stack's next update would undo a switch. That \
        Terraform or another tool owns it cannot be seen."
    )]
    Validate {
        /// The service; all of them without it
        service: Option<String>,
        /// Look at the config alone, not at the account
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        from: From,
    },
    /// Writes a service's config from an existing listener rule, its target group and their servers
    Init {
        /// The service's name
        service: String,
        /// The ARN of the rule that serves it now
        #[arg(long, value_name = "ARN")]
        rule: String,
        /// A host by which QA is to reach releases before customers do
        #[arg(long, value_name = "HOST")]
        pre_product_host: Option<String>,
    },
    /// Keeps everybody from changing a service: every call waits, and says who holds it and why
    #[command(
        after_help = "Alarms and rejected approvals wait too: they are tried for a few minutes, and then lie in the dead-letter queue. \
        Your own hold is made longer or shorter so. Somebody else's (another user, or another session of a role) is not taken over: \
        release-hold ends it. The reason has at most 200 characters."
    )]
    Hold {
        /// The service
        service: String,
        /// Why, for whoever is kept waiting
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// For how long: 30m, 2h, 1d
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = span::parser(), allow_hyphen_values = true)]
        time: i64,
    },
    /// Ends a hold; asks first where it is somebody else's
    ReleaseHold {
        /// The service
        service: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Releases of a service, who approved them, how long each step took
    History {
        /// The service
        service: String,
        /// How far back: 12h, 7d
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = span::parser(), allow_hyphen_values = true)]
        since: i64,
        /// The pipeline whose approvals are asked for; else the one that the releases' tags name
        #[arg(long, value_name = "NAME")]
        pipeline: Option<String>,
    },
    /// Prints what makes a shell complete this tool's commands
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Prints the manual page, for man -l -
    Man,
}

/// Which release of which service.
#[derive(Args, Clone, Debug)]
pub struct Of {
    /// The service
    pub service: String,
    /// The release, or how its name begins; without it the one that the verb is about: what is before QA for promote, product for the others
    pub release: Option<String>,
}

/// How a change is asked for and waited for.
#[derive(Args, Clone, Debug)]
pub struct How {
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// How long to wait until it is done
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = span::parser(), allow_hyphen_values = true)]
    pub timeout: i64,
}

/// A verb that can be planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanVerb {
    /// A release gets its servers
    Provision,
    /// A release gets its target group, and QA reaches it
    Register,
    /// A release becomes product
    Promote,
    /// The release before becomes product again
    Rollback,
    /// What was before product goes
    Finish,
    /// The service goes
    Remove,
}

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
}
