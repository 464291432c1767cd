use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::wire::{FlowKey4, FlowKey6};

const KEY4: FlowKey4 =
    FlowKey4 { remote: [192, 0, 2, 9], local: [192, 0, 2, 1], remote_port: 40_000, local_port: 80 };
const KEY6: FlowKey6 = FlowKey6 {
    remote: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
    local: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    remote_port: 40_000,
    local_port: 80,
};

/// The bytes 0 to 31: the first half is the key of FIPS-197, C.1.
fn counting() -> [u8; 32] {
    std::array::from_fn(|at| at as u8)
}

/// As on a processor without AES instructions.
fn portable(random: &[u8; 32]) -> TupleSecret {
    TupleSecret { siphash: Some(siphash_key(random)), ..TupleSecret::aes(random) }
}

fn both(random: &[u8; 32]) -> [TupleSecret; 2] {
    [TupleSecret::aes(random), portable(random)]
}

fn value(bytes: Block) -> TuplePrf {
    transmute!(bytes)
}

#[test]
fn known_answer_of_fips_197() {
    let secret = TupleSecret::aes(&counting());
    let plain: Block = std::array::from_fn(|at| 0x11 * at as u8);
    let expected = value(0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a_u128.to_be_bytes());
    assert_eq!([plain].prf(&secret), expected);
    let mut batch = [[plain]; 64];
    TupleBlocks::prf_in_place(&secret, &mut batch);
    assert!(batch.iter().all(|blocks| blocks.value() == expected));
}

/// Answers of `openssl enc -aes-128-ecb` and the last block of `-aes-128-cbc`, of these bytes.
#[test]
#[cfg(target_endian = "little")]
fn known_answers_of_4_tuples() {
    let secret = TupleSecret::aes(&counting());
    assert_eq!(KEY4.to_blocks(), [[192, 0, 2, 9, 192, 0, 2, 1, 0x40, 0x9c, 80, 0, 0, 0, 0, 0]]);
    assert_eq!(secret.prf(&KEY4), value(0xfb8b_9303_0c2e_4ecf_de17_f9f3_2b88_3328_u128.to_be_bytes()));
    assert_eq!(KEY6.to_blocks()[..2], [KEY6.remote, KEY6.local]);
    assert_eq!(KEY6.to_blocks()[2], [0x40, 0x9c, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(secret.prf(&KEY6), value(0x6820_87da_04c6_3099_ba0b_8bd1_977a_44cc_u128.to_be_bytes()));
}

#[test]
fn the_parts_of_a_value_are_its_words() {
    let prf = value(std::array::from_fn(|at| at as u8 / 4));
    let parts = (prf.hash, prf.isn_offset, prf.spare);
    assert_eq!(parts, (0, 0x0101_0101, [0x0202_0202, 0x0303_0303]));
}

#[test]
fn a_drawn_secret_is_for_this_processor() {
    assert_eq!(TupleSecret::new(&counting()).siphash.is_none(), aes::hardware_accelerated());
}

/// By the crate, one block after the other.
fn by_hand(random: &[u8; 32], blocks: [Block; 3]) -> TuplePrf {
    let key: Block = random[16..].try_into().unwrap();
    let cipher = aes::Aes128::new(&key.into());
    let mut state = [0; 16];
    for block in blocks {
        let mut mixed = Array::from(std::array::from_fn(|at| state[at] ^ block[at]));
        cipher.encrypt_block(&mut mixed);
        state = mixed.into();
    }
    value(state)
}

/// A batch has the values of its keys, whatever came before and after them.
fn batch_is_as_single<K: FlowKey>(secret: &TupleSecret, keys: &[K]) {
    let mut tuples: Vec<K::Blocks> = keys.iter().map(|key| key.to_blocks()).collect();
    secret.prf_batch::<K>(&mut tuples);
    for (tuple, key) in tuples.iter().zip(keys) {
        assert_eq!(tuple.value(), secret.prf(key));
    }
}

fn key4() -> impl Strategy<Value = FlowKey4> {
    any::<[u32; 3]>().prop_map(FlowKey4::from_words)
}

fn key6() -> impl Strategy<Value = FlowKey6> {
    any::<[u32; 9]>().prop_map(FlowKey6::from_words)
}

proptest! {
    #[test]
    fn ipv4_batches(random: [u8; 32], keys in prop::collection::vec(key4(), 0..=64)) {
        both(&random).iter().for_each(|secret| batch_is_as_single(secret, &keys));
    }

    #[test]
    fn ipv6_batches(random: [u8; 32], keys in prop::collection::vec(key6(), 0..=130)) {
        both(&random).iter().for_each(|secret| batch_is_as_single(secret, &keys));
    }

    #[test]
    fn ipv6_is_three_steps(random: [u8; 32], key in key6()) {
        prop_assert_eq!(TupleSecret::aes(&random).prf(&key), by_hand(&random, key.to_blocks()));
    }
}

/// Ports and addresses that count up must not fill some buckets before others: with as many
/// keys as buckets, as many stay empty as if thrown at random (1/e of them).
#[test]
fn neighbours_scatter() {
    const BUCKETS: usize = 1 << 14;
    let secrets = (0..16).flat_map(|seed| both(&[seed; 32]));
    for (secret, by_port) in secrets.flat_map(|secret| [(secret.clone(), true), (secret, false)]) {
        let mut used = vec![false; BUCKETS];
        for number in 0..BUCKETS as u32 {
            let [.., high, low] = number.to_be_bytes();
            let key = match by_port {
                true => FlowKey4 { remote_port: 1024 + number as u16, ..KEY4 },
                false => FlowKey4 { remote: [10, 0, high, low], ..KEY4 },
            };
            used[secret.prf(&key).hash as usize % BUCKETS] = true;
        }
        let empty = used.iter().filter(|used| !**used).count() as f64 / BUCKETS as f64;
        assert!((0.33..0.41).contains(&empty), "by port {by_port}: {empty} empty");
    }
}

#[test]
fn every_field_and_the_secret_matter() {
    let keys4 = [
        KEY4,
        FlowKey4 { remote: [192, 0, 2, 8], ..KEY4 },
        FlowKey4 { local: [192, 0, 2, 2], ..KEY4 },
        FlowKey4 { remote_port: 40_001, ..KEY4 },
        FlowKey4 { local_port: 81, ..KEY4 },
        FlowKey4 { remote: KEY4.local, local: KEY4.remote, ..KEY4 },
    ];
    let keys6 = [
        KEY6,
        FlowKey6 { remote: [9; 16], ..KEY6 },
        FlowKey6 { local: [9; 16], ..KEY6 },
        FlowKey6 { remote_port: 40_001, ..KEY6 },
        FlowKey6 { local_port: 81, ..KEY6 },
        FlowKey6 { remote: KEY6.local, local: KEY6.remote, ..KEY6 },
    ];
    let others = [counting(), [0; 32], [1; 32]];
    for part in [
        |prf: TuplePrf| prf.hash,
        |prf: TuplePrf| prf.isn_offset,
        |prf: TuplePrf| prf.spare[0],
        |prf: TuplePrf| prf.spare[1],
    ] {
        let mut seen = HashSet::new();
        for secret in others.iter().flat_map(both).chain([1, 2].map(TupleSecret::fixed)) {
            seen.extend(keys4.iter().map(|key| part(secret.prf(key))));
            seen.extend(keys6.iter().map(|key| part(secret.prf(key))));
        }
        assert_eq!(seen.len(), 8 * (keys4.len() + keys6.len()));
    }
}
