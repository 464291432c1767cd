//! Hash maps of other crates, each used in the cheapest way that its documentation offers.

use std::sync::{Arc, Mutex, MutexGuard};

use dashmap::DashMap;
use handfast_stack::wire::FlowKey4;

use super::key::{Keyed, Passing, value};
use super::{MapHandle, Size, State};

type Plain = hashbrown::HashMap<Keyed, State, Passing>;

fn for_each_thread<T: Clone>(size: &Size, one: T) -> Vec<T> {
    vec![one; size.threads]
}

pub fn plain(size: &Size) -> Vec<Plain> {
    vec![Plain::with_capacity_and_hasher(size.capacity as usize, Passing)]
}

pub fn locked(size: &Size) -> Vec<Locked> {
    let map = Plain::with_capacity_and_hasher(size.capacity as usize, Passing);
    for_each_thread(size, Locked(Arc::new(Mutex::new(map))))
}

pub fn papaya(size: &Size) -> Vec<Papaya> {
    let map = papaya::HashMap::with_capacity_and_hasher(size.capacity as usize, Passing);
    for_each_thread(size, Papaya(Arc::new(map)))
}

pub fn dash(size: &Size) -> Vec<Dash> {
    let map = DashMap::with_capacity_and_hasher(size.capacity as usize, Passing);
    for_each_thread(size, Dash(Arc::new(map)))
}

pub fn scc(size: &Size) -> Vec<Scc> {
    let map = scc::HashMap::with_capacity_and_hasher(size.capacity as usize, Passing);
    for_each_thread(size, Scc(Arc::new(map)))
}

pub fn scc_index(size: &Size) -> Vec<SccIndex> {
    let map = scc::HashIndex::with_capacity_and_hasher(size.capacity as usize, Passing);
    for_each_thread(size, SccIndex(Arc::new(map)))
}

impl MapHandle for Plain {
    #[inline]
    fn find(&mut self, key: &FlowKey4) -> Option<State> {
        self.get(&Keyed(*key)).copied()
    }

    #[inline]
    fn insert(&mut self, key: FlowKey4, value: State) -> bool {
        Plain::insert(self, Keyed(key), value).is_none()
    }

    #[inline]
    fn remove(&mut self, key: &FlowKey4) -> bool {
        Plain::remove(self, &Keyed(*key)).is_some()
    }
}

/// A batch takes the lock once.
#[derive(Clone)]
pub struct Locked(Arc<Mutex<Plain>>);

impl Locked {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Plain> {
        self.0.lock().expect("not poisoned")
    }
}

impl MapHandle for Locked {
    #[inline]
    fn find(&mut self, key: &FlowKey4) -> Option<State> {
        self.lock().find(key)
    }

    #[inline]
    fn insert(&mut self, key: FlowKey4, value: State) -> bool {
        MapHandle::insert(&mut *self.lock(), key, value)
    }

    #[inline]
    fn remove(&mut self, key: &FlowKey4) -> bool {
        MapHandle::remove(&mut *self.lock(), key)
    }

    #[inline]
    fn find_batch(&mut self, keys: &[FlowKey4], each: impl FnMut(Option<State>)) {
        self.lock().find_batch(keys, each);
    }

    #[inline]
    fn insert_batch(&mut self, keys: &[FlowKey4]) -> usize {
        self.lock().insert_batch(keys)
    }

    #[inline]
    fn remove_batch(&mut self, keys: &[FlowKey4]) -> usize {
        self.lock().remove_batch(keys)
    }
}

/// A batch takes one guard.
#[derive(Clone)]
pub struct Papaya(Arc<papaya::HashMap<Keyed, State, Passing>>);

impl MapHandle for Papaya {
    #[inline]
    fn find(&mut self, key: &FlowKey4) -> Option<State> {
        self.0.pin().get(&Keyed(*key)).copied()
    }

    #[inline]
    fn insert(&mut self, key: FlowKey4, value: State) -> bool {
        self.0.pin().insert(Keyed(key), value).is_none()
    }

    #[inline]
    fn remove(&mut self, key: &FlowKey4) -> bool {
        self.0.pin().remove(&Keyed(*key)).is_some()
    }

    #[inline]
    fn find_batch(&mut self, keys: &[FlowKey4], mut each: impl FnMut(Option<State>)) {
        let map = self.0.pin();
        keys.iter().for_each(|key| each(map.get(&Keyed(*key)).copied()));
    }

    #[inline]
    fn insert_batch(&mut self, keys: &[FlowKey4]) -> usize {
        let map = self.0.pin();
        keys.iter().filter(|key| map.insert(Keyed(**key), value(key)).is_none()).count()
    }

    #[inline]
    fn remove_batch(&mut self, keys: &[FlowKey4]) -> usize {
        let map = self.0.pin();
        keys.iter().filter(|key| map.remove(&Keyed(**key)).is_some()).count()
    }
}

#[derive(Clone)]
pub struct Dash(Arc<DashMap<Keyed, State, Passing>>);

impl MapHandle for Dash {
    #[inline]
    fn find(&mut self, key: &FlowKey4) -> Option<State> {
        self.0.get(&Keyed(*key)).map(|found| *found)
    }

    #[inline]
    fn insert(&mut self, key: FlowKey4, value: State) -> bool {
        self.0.insert(Keyed(key), value).is_none()
    }

    #[inline]
    fn remove(&mut self, key: &FlowKey4) -> bool {
        self.0.remove(&Keyed(*key)).is_some()
    }
}

#[derive(Clone)]
pub struct Scc(Arc<scc::HashMap<Keyed, State, Passing>>);

impl MapHandle for Scc {
    #[inline]
    fn find(&mut self, key: &FlowKey4) -> Option<State> {
        self.0.read_sync(&Keyed(*key), |_, value| *value)
    }

    #[inline]
    fn insert(&mut self, key: FlowKey4, value: State) -> bool {
        self.0.insert_sync(Keyed(key), value).is_ok()
    }

    #[inline]
    fn remove(&mut self, key: &FlowKey4) -> bool {
        self.0.remove_sync(&Keyed(*key)).is_some()
    }
}

/// Like scc's map, but reads without a lock.
#[derive(Clone)]
pub struct SccIndex(Arc<scc::HashIndex<Keyed, State, Passing>>);

impl MapHandle for SccIndex {
    #[inline]
    fn find(&mut self, key: &FlowKey4) -> Option<State> {
        self.0.peek_with(&Keyed(*key), |_, value| *value)
    }

    #[inline]
    fn insert(&mut self, key: FlowKey4, value: State) -> bool {
        self.0.insert_sync(Keyed(key), value).is_ok()
    }

    #[inline]
    fn remove(&mut self, key: &FlowKey4) -> bool {
        self.0.remove_sync(&Keyed(*key))
    }
}
