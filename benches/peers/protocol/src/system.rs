//! What is asked of the operating system: a core, the time of it, memory, and an output of our own.

use std::fs::File;

/// The standard output for us alone; whatever is printed on it from now on goes to the standard error.
#[cfg(unix)]
pub(crate) fn private_output() -> File {
    use std::os::fd::{AsFd, AsRawFd};
    let own = std::io::stdout().as_fd().try_clone_to_owned().expect("a standard output");
    // SAFETY: both are open file descriptors of this process.
    unsafe { libc::dup2(std::io::stderr().as_raw_fd(), std::io::stdout().as_raw_fd()) };
    File::from(own)
}

/// Every thread that there is, and with them those to come, on this core only, where the system can be asked to.
pub(crate) fn pin_to(core: usize) {
    #[cfg(target_os = "linux")]
    for thread in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let id = thread.file_name().to_str().and_then(|name| name.parse::<libc::pid_t>().ok());
        let Some(id) = id.filter(|_| core < libc::CPU_SETSIZE as usize) else { continue };
        // SAFETY: a set of cores of zeros is valid, and the call reads no more than its size; the core is within it.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(core, &mut set);
            libc::sched_setaffinity(id, size_of::<libc::cpu_set_t>(), &set);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = core;
}

/// Seconds that this process has had a core.
pub(crate) fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to the value it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Gives freed memory back, so that growth of resident memory means something.
pub(crate) fn settle() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: needs nothing and touches only what is free.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Bytes of this process that are in memory; 0 where that cannot be found out.
pub(crate) fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    // SAFETY: reads a constant of the system.
    pages * u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}
