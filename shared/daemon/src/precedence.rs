//! A place before others in the queue for a core.

use rustix::process::setpriority_process;

/// How far before others, in steps of the kernel: about three times their share.
const NICE: i32 = -5;

/// Asks for precedence for the calling thread. For the one that the others wait for: a bot that
/// computes without end must not hold up a decision, nor a client that is woken by a mere read
/// interrupt one. Where it may not have it (neither root nor `LimitNICE=-5`), it says so and goes
/// on without.
pub fn ask() {
    if let Err(error) = setpriority_process(None, NICE) {
        tracing::info!("no precedence over other processes ({error}); LimitNICE={NICE} allows it");
    }
}
