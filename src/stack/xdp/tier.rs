//! The cookie tier: the program answers SYNs and verifies ACKs by itself. Its maps are in this process's
//! memory too, so changes need neither a system call nor a capability.

use std::io;
use std::mem::offset_of;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::{Arc, Mutex, PoisonError};

use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType};
use libbpf_sys::{BPF_F_MMAPABLE, bpf_map_create_opts};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::abi;
use super::flow_filter::FlowFilter;
use super::mapping::Mapping;
use super::program_error::ProgramError;
use crate::wire::flow_hash::FlowHashKey;

/// The cookie tier of the programs of all interfaces.
///
/// It begins without a listener in cookie mode, not ready, and without keys: the stack answers every SYN.
#[derive(Debug)]
pub struct Tier {
    settings: Mapping,
    listeners: Mapping,
    filter: Arc<FlowFilter>,
    counts: MapHandle,
    /// Every shared map, by its name in the program.
    maps: Vec<(&'static str, MapHandle)>,
    /// Whether it is ready, and the last number of `generation` of the settings.
    state: Mutex<(bool, u32)>,
    /// SYNs have a limit.
    limits: bool,
}

/// The settings of a [`Tier`].
#[derive(Clone, Debug)]
pub struct TierConfig {
    /// Of the hash that the filter and the cache of proven clients use.
    pub flow_key: FlowHashKey,
    /// Lines of the filter of known flows, a power of two: [`FlowFilter::lines_for`].
    pub filter_lines: u32,
    /// Added to the stack's clock in TSval, milliseconds.
    pub timestamp_offset: u32,
    /// The MSS announced, bytes: IPv4, IPv6.
    pub mss: [u16; 2],
    /// A smaller MSS of a peer counts as this, bytes.
    pub min_mss: u16,
    /// ACKs without a valid cookie that reach the stack, to be answered with a RST: per second and CPU.
    pub unproven_per_second: u32,
    /// SYNs per second of one source prefix on one CPU; 0: no limit.
    pub syn_limit: u32,
    /// SYNs of one prefix at once.
    pub syn_burst: u32,
    /// CLOCK_MONOTONIC when the stack's clock was 0, nanoseconds, modulo 2^64.
    pub epoch_ns: u64,
}

/// Counts of one listener, on all CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable)]
#[repr(C)]
pub struct TierCounts {
    /// SYNs answered.
    pub syn_acks: u64,
    /// SYNs that the stack did not see: answered, or beyond the limit of their source.
    pub syns: u64,
    /// ACKs with a valid cookie.
    pub proven: u64,
    /// ACKs without a connection and without a valid cookie, dropped.
    pub unproven: u64,
}

/// `struct tier` of `bpf/abi.h`.
#[derive(IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Settings {
    ready: u32,
    unproven_per_second: u32,
    epoch_ns: u64,
    flow_key: [u64; 3],
    timestamp_offset: u32,
    filter_mask: u32,
    mss: [u16; 2],
    min_mss: u16,
    reserved: u16,
    syn_limit: u32,
    syn_burst: u32,
    generation: u32,
    reserved2: u32,
    keys: [PeriodKey; abi::PERIOD_KEYS as usize],
}

/// `struct period_key` of `bpf/abi.h`.
#[derive(Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct PeriodKey {
    number: u64,
    key: [u64; 2],
}

/// The number of no period.
const NO_PERIOD: u64 = u64::MAX;

/// `struct tier_listener` of `bpf/abi.h`: the mode, then the window, a word each.
const LISTENER_SIZE: usize = abi::TIER_LISTENER_SIZE as usize;

const _: () = {
    assert!(size_of::<Settings>() == abi::TIER_SIZE as usize);
    assert!(offset_of!(Settings, ready) == 0);
    assert!(offset_of!(Settings, epoch_ns) == abi::TIER_EPOCH as usize);
    assert!(offset_of!(Settings, flow_key) == abi::TIER_FLOW_KEY as usize);
    assert!(offset_of!(Settings, timestamp_offset) == abi::TIER_TIMESTAMP_OFFSET as usize);
    assert!(offset_of!(Settings, mss) == abi::TIER_MSS as usize);
    assert!(offset_of!(Settings, syn_limit) == abi::TIER_SYN_LIMIT as usize);
    assert!(offset_of!(Settings, keys) == abi::TIER_KEYS as usize);
    assert!(size_of::<TierCounts>() == abi::TIER_COUNTS_SIZE as usize);
};

impl Tier {
    /// Makes the maps.
    ///
    /// # Errors
    /// Missing capabilities, or not enough memory.
    pub fn new(config: &TierConfig) -> Result<Arc<Tier>, ProgramError> {
        Tier::create(config).map(Arc::new).map_err(|source| ProgramError::Tier { source })
    }

    fn create(config: &TierConfig) -> libbpf_rs::Result<Tier> {
        let lines = config.filter_lines.next_power_of_two();
        let listeners = abi::MAX_TIER_LISTENERS;
        let prefixes = if config.syn_limit == 0 { 1 } else { abi::MAX_SYN_BUCKETS };
        let settings_map = array("tier", abi::TIER_SIZE, 1)?;
        let listeners_map = array("tier_listeners", abi::TIER_LISTENER_SIZE, listeners)?;
        let filter_map = array("filter", abi::FILTER_LINE, lines)?;
        let counts = map(MapType::PercpuArray, "tier_counts", (4, abi::TIER_COUNTS_SIZE), listeners, 0)?;
        let proven = map(MapType::Array, "proven", (4, 4), abi::MAX_PROVEN, 0)?;
        let buckets = map(MapType::LruPercpuHash, "syn_buckets", (abi::SOURCE_PREFIX_SIZE, 8), prefixes, 0)?;
        let unproven = map(MapType::PercpuArray, "unproven_bucket", (4, 8), 1, 0)?;

        let settings = Mapping::of_array(settings_map.as_fd(), size_of::<Settings>())?;
        let filter = Mapping::of_array(filter_map.as_fd(), (lines * abi::FILTER_LINE) as usize)?;
        let tier = Tier {
            listeners: Mapping::of_array(listeners_map.as_fd(), listeners as usize * LISTENER_SIZE)?,
            filter: Arc::new(FlowFilter::in_mapping(Arc::new(filter), lines, config.flow_key)?),
            counts: MapHandle::try_from(&counts)?,
            maps: vec![
                ("tier", settings_map),
                ("tier_listeners", listeners_map),
                ("filter", filter_map),
                ("tier_counts", counts),
                ("proven", proven),
                ("syn_buckets", buckets),
                ("unproven_bucket", unproven),
            ],
            settings,
            state: Mutex::new((false, 0)),
            limits: config.syn_limit > 0,
        };
        tier.write(&Settings::new(config, lines))?;
        Ok(tier)
    }

    /// Every shared map, by its name in the program.
    pub(super) fn maps(&self) -> &[(&'static str, MapHandle)] {
        &self.maps
    }

    /// Sets the key of the cookies of a period. 16 consecutive periods have a place; a later period takes
    /// that of the one 16 before it.
    pub fn set_key(&self, period: u64, key: (u64, u64)) {
        let slot = (period % u64::from(abi::PERIOD_KEYS)) as usize;
        let at = offset_of!(Settings, keys) + slot * size_of::<PeriodKey>();
        let number = at + offset_of!(PeriodKey, number);
        let halves = at + offset_of!(PeriodKey, key);
        let words = [(number, NO_PERIOD), (halves, key.0), (halves + 8, key.1), (number, period)];
        for (offset, value) in words {
            self.store64(offset, value);
        }
    }

    /// Whether the filter holds every connection. Until then the stack answers every SYN, and ACKs are not
    /// verified.
    pub fn set_ready(&self, ready: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = ready;
        self.store32(offset_of!(Settings, ready), u32::from(ready));
        self.begin_generation(&mut state);
    }

    /// Settings or rules have changed: the program forgets how it answered before.
    pub(super) fn renew(&self) {
        self.begin_generation(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn begin_generation(&self, (ready, generation): &mut (bool, u32)) {
        *generation = generation.wrapping_add(1).max(1);
        // A limit is counted by source, on the whole way.
        let is_short = *ready && !self.limits;
        self.store32(offset_of!(Settings, generation), if is_short { *generation } else { 0 });
    }

    /// Sets CLOCK_MONOTONIC when the stack's clock was 0, nanoseconds, modulo 2^64.
    pub fn set_epoch_ns(&self, epoch_ns: u64) {
        self.store64(offset_of!(Settings, epoch_ns), epoch_ns);
    }

    /// Sets how many ACKs without a valid cookie reach the stack, per second and CPU.
    pub fn set_unproven_per_second(&self, unproven_per_second: u32) {
        self.store32(offset_of!(Settings, unproven_per_second), unproven_per_second);
    }

    /// Sets whether the program answers SYNs to a listener by cookie and verifies ACKs, and the window of its
    /// SYN-ACKs. Returns whether a listener with this number can have that.
    pub fn set_listener(&self, listener: u16, cookies: bool, window: u16) -> bool {
        let at = usize::from(listener) * LISTENER_SIZE;
        let mode = if cookies { abi::LISTENER_COOKIES } else { abi::LISTENER_STACK };
        let [low, high] = window.to_ne_bytes();
        let window_at = at + abi::TIER_LISTENER_WINDOW as usize;
        let (Ok(mode_word), Ok(window_word)) = (self.listeners.word32(at), self.listeners.word32(window_at))
        else {
            return false;
        };
        let window = u32::from_ne_bytes([low, high, 0, 0]);
        if (mode_word.load(Relaxed), window_word.load(Relaxed)) != (mode, window) {
            window_word.store(window, Relaxed);
            // The program sees the window first.
            mode_word.store(mode, Release);
            self.renew();
        }
        true
    }

    /// Uses this number of lines of the filter, rounded to a power of two. Only while the program does not
    /// read it and no core writes to it.
    pub fn resize_filter(&self, lines: u32) {
        self.filter.resize(lines);
        self.store32(offset_of!(Settings, filter_mask), self.filter.lines() - 1);
    }

    /// The largest number of lines of the filter.
    pub fn filter_capacity(&self) -> u32 {
        self.filter.capacity()
    }

    /// The filter of known flows.
    pub fn filter(&self) -> &Arc<FlowFilter> {
        &self.filter
    }

    /// The counts of this listener.
    ///
    /// # Errors
    /// [`ProgramError::Counters`].
    pub fn counts(&self, listener: u16) -> Result<TierCounts, ProgramError> {
        if u32::from(listener) >= abi::MAX_TIER_LISTENERS {
            return Ok(TierCounts::default());
        }
        let per_cpu = self
            .counts
            .lookup_percpu(&u32::from(listener).to_ne_bytes(), MapFlags::ANY)
            .map_err(|source| ProgramError::Counters { source })?;
        Ok(TierCounts::sum(per_cpu.iter().flatten()))
    }

    /// The counts of each of the listeners below `listeners`.
    ///
    /// # Errors
    /// [`ProgramError::Counters`].
    pub fn all_counts(&self, listeners: u16) -> Result<Vec<TierCounts>, ProgramError> {
        (0..listeners).map(|listener| self.counts(listener)).collect()
    }

    /// In words of 64 bits, which are larger than any field and align them all.
    fn write(&self, settings: &Settings) -> io::Result<()> {
        for (index, word) in settings.as_bytes().as_chunks().0.iter().enumerate() {
            self.settings.word64(8 * index)?.store(u64::from_ne_bytes(*word), Release);
        }
        Ok(())
    }

    fn store32(&self, offset: usize, value: u32) {
        if let Ok(word) = self.settings.word32(offset) {
            word.store(value, Release);
        }
    }

    /// Each store is seen after those before it.
    fn store64(&self, offset: usize, value: u64) {
        if let Ok(word) = self.settings.word64(offset) {
            word.store(value, Release);
        }
    }
}

impl Settings {
    fn new(config: &TierConfig, lines: u32) -> Settings {
        let FlowHashKey { start, factors: [first, last] } = config.flow_key;
        Settings {
            ready: 0,
            unproven_per_second: config.unproven_per_second,
            epoch_ns: config.epoch_ns,
            flow_key: [start, first, last],
            timestamp_offset: config.timestamp_offset,
            filter_mask: lines - 1,
            mss: config.mss,
            min_mss: config.min_mss,
            reserved: 0,
            syn_limit: config.syn_limit,
            syn_burst: config.syn_burst,
            generation: 0,
            reserved2: 0,
            keys: [PeriodKey { number: NO_PERIOD, key: [0; 2] }; abi::PERIOD_KEYS as usize],
        }
    }
}

impl TierCounts {
    /// From the kernel's `struct tier_counts` of each possible CPU.
    fn sum<'a>(per_cpu: impl Iterator<Item = &'a Vec<u8>>) -> TierCounts {
        per_cpu.filter_map(|bytes| TierCounts::read_from_bytes(bytes).ok()).fold(
            TierCounts::default(),
            |sum, cpu| TierCounts {
                syn_acks: sum.syn_acks + cpu.syn_acks,
                syns: sum.syns + cpu.syns,
                proven: sum.proven + cpu.proven,
                unproven: sum.unproven + cpu.unproven,
            },
        )
    }
}

/// An array that this process maps into its memory.
fn array(name: &'static str, value_size: u32, entries: u32) -> libbpf_rs::Result<MapHandle> {
    map(MapType::Array, name, (4, value_size), entries, BPF_F_MMAPABLE)
}

/// A map whose key and value have these sizes.
fn map(
    kind: MapType,
    name: &'static str,
    (key_size, value_size): (u32, u32),
    entries: u32,
    flags: u32,
) -> libbpf_rs::Result<MapHandle> {
    let options = bpf_map_create_opts {
        sz: size_of::<bpf_map_create_opts>() as libbpf_sys::size_t,
        map_flags: flags,
        ..Default::default()
    };
    MapHandle::create(kind, Some(name), key_size, value_size, entries, &options)
}
