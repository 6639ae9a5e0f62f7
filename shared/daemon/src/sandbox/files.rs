//! Files, TCP, signals and other processes, by Landlock.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::Rules;

/// The newest rights that are asked for; an older kernel keeps what it knows of them.
const ABI_WANTED: ABI = ABI::V6;

/// What it takes to keep plain files in a directory of one's own: no sockets, pipes, devices or
/// links are made there.
fn own_files() -> BitFlags<AccessFs> {
    AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer
        | AccessFs::ReadFile
        | AccessFs::ReadDir
}

/// Restricts this thread; how much of it the kernel knows, for people.
pub(super) fn restrict(rules: &Rules) -> Result<String, String> {
    let status = try_restrict(rules).map_err(|error| error.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::FullyEnforced, _) => Ok("in full".to_owned()),
        (RulesetStatus::PartiallyEnforced, LandlockStatus::Available { effective_abi, .. }) => {
            Ok(format!("as far as its version {effective_abi:?} goes"))
        }
        (RulesetStatus::PartiallyEnforced, _) => Ok("in part".to_owned()),
        (RulesetStatus::NotEnforced, LandlockStatus::NotImplemented) => {
            Err("this kernel does not have it".to_owned())
        }
        (RulesetStatus::NotEnforced, _) => Err("it is switched off".to_owned()),
    }
}

fn try_restrict(rules: &Rules) -> Result<landlock::RestrictionStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::from_all(ABI_WANTED))?;
    let mut handled: BitFlags<AccessFs> = BitFlags::empty();
    if let Some(files) = &rules.files {
        handled |= AccessFs::from_write(ABI_WANTED);
        if files.read.is_some() {
            handled |= AccessFs::ReadFile | AccessFs::ReadDir;
        }
    }
    if !rules.execute {
        handled |= AccessFs::Execute;
    }
    if !handled.is_empty() {
        ruleset = ruleset.handle_access(handled)?;
    }
    if !rules.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(ABI_WANTED))?;
    }
    let mut created = ruleset.create()?;
    if let Some(files) = &rules.files {
        // A directory that is not there is not granted; whoever opens it says what is missing.
        let own = own_files() & handled;
        created = created.add_rules(path_beneath_rules(&files.write, own))?;
        let read = (AccessFs::ReadFile | AccessFs::ReadDir) & handled;
        if let Some(places) = &files.read {
            created = created.add_rules(path_beneath_rules(places, read))?;
        }
        // Where what nobody wants is written to.
        let null = AccessFs::ReadFile | AccessFs::WriteFile;
        created = created.add_rules(path_beneath_rules(["/dev/null"], null & handled))?;
    }
    created.restrict_self()
}
