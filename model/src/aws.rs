//! A small AWS, as plain values: what there is of one service, in as few bytes as tell apart what plans tell apart.

/// How many releases there can be.
pub const RELEASES: usize = 3;
/// How many instances a release can have had.
pub const SLOTS: usize = 3;
/// The group that is not ours: adopted, or a stranger's.
pub const STRANGER: usize = RELEASES;
/// Groups: one for each release, and the stranger's.
pub const GROUPS: usize = RELEASES + 1;

/// How old something is, as far as any plan asks: an index into [`SECONDS`].
pub type Age = u8;
/// Just now.
pub const NEW: Age = 0;
/// Older than `settle_seconds`.
pub const SETTLED: Age = 1;
/// Older than `settle_seconds` and `drain_seconds` together, than a lease, and than the load balancer takes to let a group go.
pub const MINUTES: Age = 2;
/// Older than every timeout, and than EC2 remembers what was terminated.
pub const HOUR: Age = 3;
/// Older than a pre-product release may become, and than EC2 remembers a client token.
pub const DAYS: Age = 4;
/// Seconds that stand for each age.
pub const SECONDS: [i64; 5] = [0, 20, 90, 4_000, 800_000];

/// Where a release stands, by a resource's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    PreProduct,
    Product,
    Retired,
    Rejected,
}

/// The tags of an instance or group that change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Marks {
    pub role: Role,
    pub since: Age,
    /// Whether it was rejected by a `remove`; the other reasons decide nothing.
    pub removed: bool,
    pub told: bool,
    pub kept: bool,
    pub out: Option<Age>,
}

impl Marks {
    /// As the creating call writes them.
    pub const fn born(since: Age) -> Self {
        Self { role: Role::PreProduct, since, removed: false, told: false, kept: false, out: None }
    }
}

/// What reads show of something that was just made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    /// Nothing yet.
    Hidden,
    /// Not its tags yet.
    Bare,
    Shown,
}

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    Pending,
    Running,
    Terminated,
}

/// An instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    pub life: Life,
    pub sight: Sight,
    pub marks: Marks,
    pub launch: Token,
}

/// A launch: into which subnet, which attempt, how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub subnet: u8,
    pub attempt: u8,
    pub count: u8,
}

impl Token {
    /// Its bit among the tokens that EC2 remembers.
    pub const fn bit(self) -> u16 {
        1 << ((self.subnet & 1) << 2 | (self.attempt & 3))
    }
}

/// A target of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Initial,
    Healthy,
    Sick,
    Draining,
}

/// A target group; its targets are the release's instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    pub sight: Sight,
    pub marks: Marks,
    pub targets: [Option<Target>; SLOTS],
    /// Whether the load balancer has it still, though no rule names it any more.
    pub held: bool,
}

/// A group's weight in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weight {
    Absent,
    Zero,
    Half,
    All,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forward {
    To([Weight; GROUPS]),
    /// A fixed response.
    Other,
}

impl Forward {
    /// A rule to one group.
    pub fn only(group: usize) -> Self {
        Self::NOTHING.with(group, Weight::All)
    }

    const NOTHING: Self = Self::To([Weight::Absent; GROUPS]);

    /// The same with another weight.
    pub fn with(self, group: usize, weight: Weight) -> Self {
        let mut weights = self.weights();
        weights[group] = weight;
        Self::To(weights)
    }

    /// Each group's weight.
    pub const fn weights(self) -> [Weight; GROUPS] {
        match self {
            Self::To(weights) => weights,
            Self::Other => [Weight::Absent; GROUPS],
        }
    }

    pub const fn names(self, group: usize) -> bool {
        !matches!(self.weights()[group], Weight::Absent)
    }

    pub const fn serves(self, group: usize) -> bool {
        matches!(self.weights()[group], Weight::Half | Weight::All)
    }

    /// How many groups have weight.
    pub fn serving(self) -> usize {
        (0..GROUPS).filter(|g| self.serves(*g)).count()
    }
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    pub sight: Sight,
    pub forward: Forward,
    pub ours: bool,
    /// Which config its priority and conditions follow.
    pub variant: u8,
    /// Since when which weights stand, as its tag says.
    pub since: Option<(Age, Forward)>,
    /// What its tag says was told lately: bits of [`CONCERNS`].
    pub told: u8,
}

/// Which of the two rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    Product,
    PreProduct,
}

/// What is told once a day.
pub const CONCERNS: [&str; 8] = [
    "group-left",
    "rejected-serves",
    "product-unhealthy",
    "way-back-unhealthy",
    "promotion-stuck",
    "product-without-rule",
    "strange-rule",
    "another",
];

/// The service's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Which caller holds it; [`NOBODY`] where that one died.
    pub owner: u8,
    pub age: Age,
}

/// The owner of a lease whose holder died.
pub const NOBODY: u8 = 9;

/// A set of instances.
pub type Instances = u16;

/// How many elastic IPs a pool has.
pub const POOL: usize = 2;

/// The holder of an elastic IP that somebody else uses.
pub const THEIRS: Instances = Instances::MAX;

/// The bit of an instance.
pub const fn bit(release: usize, slot: usize) -> Instances {
    1 << (release * SLOTS + slot)
}

/// The account, as far as it concerns the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aws {
    pub instances: [[Option<Instance>; SLOTS]; RELEASES],
    pub groups: [Option<Group>; RELEASES],
    pub product: Option<Rule>,
    pub pre_product: Option<Rule>,
    /// A rule of somebody's, at a priority that is not ours, that forwards to a release's group too.
    pub stranger: Option<u8>,
    /// The product name and the pre-product name.
    pub names: [Option<Instances>; 2],
    pub lease: Option<Lease>,
    /// What the lease table remembers was told: bits of [`CONCERNS`].
    pub told: u8,
    /// Tokens that EC2 remembers.
    pub tokens: [u16; RELEASES],
    /// Releases whose pipeline execution is over.
    pub over: u8,
    /// The config's variant.
    pub config: u8,
    /// Who holds each elastic IP of the pool, where one is configured: an instance, nobody (0), or [`THEIRS`].
    pub addresses: [Instances; POOL],
}

impl Aws {
    /// Nothing of the service is there.
    pub const EMPTY: Self = Self {
        instances: [[None; SLOTS]; RELEASES],
        groups: [None; RELEASES],
        product: None,
        pre_product: None,
        stranger: None,
        names: [None; 2],
        lease: None,
        told: 0,
        tokens: [0; RELEASES],
        over: 0,
        config: 0,
        addresses: [0, THEIRS],
    };

    pub fn rule(&self, which: Which) -> Option<&Rule> {
        match which {
            Which::Product => self.product.as_ref(),
            Which::PreProduct => self.pre_product.as_ref(),
        }
    }

    pub fn rule_mut(&mut self, which: Which) -> &mut Option<Rule> {
        match which {
            Which::Product => &mut self.product,
            Which::PreProduct => &mut self.pre_product,
        }
    }

    /// Whether the product rule sends it requests.
    pub fn serves(&self, group: usize) -> bool {
        self.product.is_some_and(|rule| rule.forward.serves(group))
    }

    /// Whether a rule of ours names it.
    pub fn in_a_rule_of_ours(&self, group: usize) -> bool {
        [self.product, self.pre_product].into_iter().flatten().any(|rule| rule.forward.names(group))
    }

    /// Whether any rule names it.
    pub fn in_a_rule(&self, group: usize) -> bool {
        self.in_a_rule_of_ours(group) || self.stranger.is_some_and(|g| usize::from(g) == group)
    }

    /// Healthy targets of a group; the stranger's has one.
    pub fn healthy(&self, group: usize) -> u8 {
        if group == STRANGER {
            return 1;
        }
        let targets = self.groups[group].map(|g| g.targets).unwrap_or_default();
        u8::try_from(targets.iter().filter(|t| **t == Some(Target::Healthy)).count()).unwrap_or(u8::MAX)
    }

    /// Instances of a release that run or are about to, seen or not.
    pub fn alive(&self, release: usize) -> u8 {
        let alive = self.instances[release].iter().flatten().filter(|i| i.life != Life::Terminated).count();
        u8::try_from(alive).unwrap_or(u8::MAX)
    }

    pub fn is_alive(&self, release: usize, slot: usize) -> bool {
        self.instances[release][slot].is_some_and(|i| i.life != Life::Terminated)
    }

    /// Whether anything of a release stands.
    pub fn stands(&self, release: usize) -> bool {
        self.groups[release].is_some() || self.alive(release) > 0
    }

    /// Every set of tags of a release.
    pub fn marks(&self, release: usize) -> impl Iterator<Item = Marks> + '_ {
        let instances = self.instances[release].iter().flatten().map(|i| i.marks);
        instances.chain(self.groups[release].iter().map(|g| g.marks))
    }

    /// Reads show everything.
    pub fn show(&mut self) {
        self.sights().for_each(|sight| *sight = Sight::Shown);
    }

    /// What reads show of each thing.
    pub fn sights(&mut self) -> impl Iterator<Item = &mut Sight> {
        let instances = self.instances.iter_mut().flatten().flatten().map(|i| &mut i.sight);
        let groups = self.groups.iter_mut().flatten().map(|g| &mut g.sight);
        let rules = [&mut self.product, &mut self.pre_product].into_iter().flatten().map(|r| &mut r.sight);
        instances.chain(groups).chain(rules)
    }

    /// Time passes: everything becomes at least so old.
    pub fn pass(&mut self, at_least: Age) {
        self.show();
        let older = |age: &mut Age| *age = (*age).max(at_least);
        let marks = |marks: &mut Marks| {
            older(&mut marks.since);
            marks.out.as_mut().map(older);
        };
        for slot in self.instances.iter_mut().flatten() {
            if at_least >= HOUR && slot.is_some_and(|i| i.life == Life::Terminated) {
                *slot = None;
            }
            if let Some(instance) = slot {
                marks(&mut instance.marks);
            }
        }
        for (release, group) in self.groups.iter_mut().enumerate() {
            let Some(group) = group else { continue };
            marks(&mut group.marks);
            for (slot, target) in group.targets.iter_mut().enumerate() {
                // What is gone for an hour is no target any more.
                if at_least >= HOUR && self.instances[release][slot].is_none() {
                    *target = None;
                }
            }
        }
        for rule in [&mut self.product, &mut self.pre_product].into_iter().flatten() {
            if let Some((age, _)) = &mut rule.since {
                older(age);
            }
            if at_least >= DAYS {
                rule.told = 0;
            }
        }
        if at_least >= DAYS {
            self.told = 0;
            self.tokens = [0; RELEASES];
        }
        if let Some(lease) = &mut self.lease {
            older(&mut lease.age);
        }
        if at_least >= MINUTES {
            self.lease = None;
        }
    }
}
