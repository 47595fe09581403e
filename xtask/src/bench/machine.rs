//! What the machine does: how long a sync takes, what its disks have written, what processes have used.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;

/// How long the latency of a sync is measured.
const SYNC_TIME: Duration = Duration::from_millis(500);
const SYNC_BYTES: usize = 4 << 10;
/// Of the kernel's process accounting; fixed in Linux' interface to user space.
const TICKS_PER_SECOND: u64 = 100;
/// Disks that are none.
const NO_DISKS: [&str; 4] = ["loop", "zram", "ram", "dm-"];

/// Counters of all disks together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk {
    pub written_bytes: u64,
    pub flushes: u64,
}

/// What one process has used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process {
    pub cpu: Duration,
    pub rss_bytes: u64,
    pub rss_peak_bytes: u64,
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The median time of appending 4 KiB to a file in `folder` durably.
pub fn sync_time(folder: &Path) -> anyhow::Result<Duration> {
    let path = folder.join("sync-time");
    let mut file = File::create(&path).context("create a file to measure syncs")?;
    let (bytes, begun) = ([0xA5; SYNC_BYTES], Instant::now());
    let mut times = Vec::new();
    while begun.elapsed() < SYNC_TIME {
        let started = Instant::now();
        file.write_all(&bytes).context("append to a file")?;
        file.sync_data().context("sync a file")?;
        times.push(started.elapsed());
    }
    fs::remove_file(&path).context("remove a file")?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

pub fn disk() -> Disk {
    let names: Vec<String> = fs::read_dir("/sys/block").map_or_else(
        |_| Vec::new(),
        |entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect(),
    );
    parse_disks(&read("/proc/diskstats"), &names)
}

fn parse_disks(text: &str, names: &[String]) -> Disk {
    const SECTOR_BYTES: u64 = 512;
    let mut sum = Disk::default();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_disk = |name: &&&str| {
            names.iter().any(|own| own == **name) && !NO_DISKS.iter().any(|no| name.starts_with(no))
        };
        if fields.get(2).filter(is_disk).is_none() {
            continue;
        }
        let number = |index: usize| fields.get(index).and_then(|text| text.parse().ok()).unwrap_or(0u64);
        sum.written_bytes += number(9) * SECTOR_BYTES;
        sum.flushes += number(18);
    }
    sum
}

/// Nothing of a process that has ended.
pub fn process(pid: u32) -> Process {
    let status = read(&format!("/proc/{pid}/status"));
    let kilobytes = |name: &str| number_after(&status, name).unwrap_or(0) * 1024;
    Process {
        cpu: cpu(&read(&format!("/proc/{pid}/stat"))).unwrap_or_default(),
        rss_bytes: kilobytes("VmRSS:"),
        rss_peak_bytes: kilobytes("VmHWM:"),
    }
}

/// The peak of a process begins anew.
pub fn reset_peak(pid: u32) {
    // Without the right to do so the peak is that of the process's life.
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// Time in which any processor did something, since boot.
pub fn busy() -> Duration {
    let text = read("/proc/stat");
    let fields: Vec<u64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // User, nice, system, interrupts; neither idle nor waiting for a disk.
    let ticks: u64 = [0, 1, 2, 5, 6].iter().filter_map(|index| fields.get(*index)).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// User and system time: the 14th and 15th field, counted behind the command's name, which may contain spaces.
fn cpu(stat: &str) -> Option<Duration> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// The number behind `name`.
pub fn number_after(text: &str, name: &str) -> Option<u64> {
    text.split_once(name)?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_user_and_system_time() {
        let stat = "12 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
        assert_eq!(cpu("12 (a)"), None);
    }

    #[test]
    fn numbers_are_found_by_name() {
        assert_eq!(number_after("VmPeak: 1 kB\nVmHWM:\t  20 kB\n", "VmHWM:"), Some(20));
        assert_eq!(number_after("", "VmHWM:"), None);
    }

    #[test]
    fn whole_disks_count_and_partitions_do_not() {
        let text = "7 0 loop0 0 0 0 0 9 9 9 9 0 0 0 0 0 0 0 9 9\n\
                    8 0 sda 1 2 3 4 5 6 20 8 9 10 11 12 13 14 15 7 17\n\
                    8 1 sda1 1 2 3 4 5 6 20 8 9 10 11 12 13 14 15 7 17\n";
        let disk = parse_disks(text, &["loop0".to_owned(), "sda".to_owned()]);
        assert_eq!((disk.written_bytes, disk.flushes), (20 * 512, 7));
    }
}
